"""The network of a file: read from a trained model, rewritten, built as a graph."""
