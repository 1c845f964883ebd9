"""Reproducible measurements of latency and speed: results record raw samples, the machine and the files' hashes."""
