"""Two versions as one model for a comparison: a photo is decoded once, and each answers by its own code."""
