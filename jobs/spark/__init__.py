"""The engine room: sessions and their settings, how a model gets to the workers, and Spark's JVM."""
