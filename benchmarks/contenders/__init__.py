"""One module for each way to run a model over photos: `run(workload)` does all of it, in a process of its own."""
