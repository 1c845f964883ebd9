"""The parts of a block, as Keras layers on `keras.ops`: no TensorFlow here."""
