"""Rows that are supplied, not run: the input, the target, the target through a codec, published audio."""
