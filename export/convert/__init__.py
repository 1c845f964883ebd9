"""Network -> float32 files, one per sequence length, by TensorFlow's converter."""
