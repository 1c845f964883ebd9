"""Every file against the Keras model: parity, checks without a tolerance, scores, gates, latency."""
