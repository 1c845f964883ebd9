"""Quantisation-aware fine-tuning: the network of a file, in float, on the grid of its integers."""
