"""Errors of a file by layer, gains of each rewrite, and the cheapest mixture of precisions within a loss of score."""
