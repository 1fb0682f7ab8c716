"""The kinds of prediction, one module each: its name is the kind's, its `MODEL` the ImageModel of the kind."""
