"""An output that can be come back to: what it remembers, what is done in it, and how a chunk becomes visible."""
