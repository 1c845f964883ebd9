"""A model that can be asked, whether it is a directory or a `.tflite` file, with the task that it is for."""
