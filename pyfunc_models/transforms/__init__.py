"""Pixels to what the network takes: the recipe as data, and Pillow's resize, to the bit and compiled."""
