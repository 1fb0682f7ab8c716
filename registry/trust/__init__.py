"""What is let in: a version's bytes against its manifest, who signed them, and which policies refuse them."""
