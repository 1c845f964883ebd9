"""Files that MediaPipe's TextClassifier takes, and how its answers are held against ours."""
