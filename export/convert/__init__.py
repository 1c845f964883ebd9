"""Network -> float32 files, one a sequence length, by TensorFlow's converter."""
