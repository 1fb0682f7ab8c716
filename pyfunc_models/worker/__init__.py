"""What runs in Spark's worker: the wrapper, its pipeline, its stores, and the check of every byte before."""
