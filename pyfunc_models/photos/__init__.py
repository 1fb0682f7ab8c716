"""Bytes to pixels: which formats there are, how they are decoded, and what no photo may take more of."""
