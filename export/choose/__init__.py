"""What a file loses where, what each rewrite brings, and the cheapest mixture of precisions within a loss."""
