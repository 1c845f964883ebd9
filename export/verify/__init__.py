"""Comparison of every file with the Keras model: parity, bit-exact checks, scores, gates, latency."""
