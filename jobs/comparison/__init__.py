"""Two versions on the same photos: where they differ, and which is right more often."""
