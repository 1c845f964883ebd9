"""Reports: one HTML page for directories of results. Needs no TensorFlow."""
