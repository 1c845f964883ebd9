"""Quantisation-aware fine-tuning: the network of a file in float arithmetic, on the grid of the file's integers."""
