"""Reading and writing of checkpoints in all formats: model directories, Hugging Face directories, Google's TF1."""
