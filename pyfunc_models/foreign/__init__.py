"""Versions that others' tools logged: asked in a worker, and answered for row by row, as packaged models are."""
