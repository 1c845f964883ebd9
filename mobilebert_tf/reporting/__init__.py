"""Directories of results -> one HTML page. Needs no TensorFlow."""
