"""Checkpoints of other worlds, read and written: Google's TF1 names, Hugging Face's directories."""
