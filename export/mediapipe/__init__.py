"""Files for MediaPipe's TextClassifier and TextEmbedder, and the comparison of their answers with ours."""
