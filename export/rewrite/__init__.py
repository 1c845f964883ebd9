"""The network that a file holds: read from a trained model, rewritten, made into a graph."""
