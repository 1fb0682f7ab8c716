"""The scoring job: source, predictions, sink, and the report of what happened."""
