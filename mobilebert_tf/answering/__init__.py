"""Models that answer texts, from a model directory or a `.tflite` file, with their tasks."""
