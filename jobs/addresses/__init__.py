"""Photos by their addresses: fetched on a worker, ahead of the model. All of it travels by value to executors."""
