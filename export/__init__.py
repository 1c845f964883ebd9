"""Fine-tuned model directory -> `.tflite` files, each checked against the Keras model."""
