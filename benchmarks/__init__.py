"""Latency and speed, measured so that the figure can be defended: raw samples, machine, hashes."""
