"""How often a version is right on labelled photos: figures, tables, pictures, and the tags that gates ask for."""
