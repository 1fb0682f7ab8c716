"""One HTML page for each job: its figures, its photos and what changed, readable without a network."""
