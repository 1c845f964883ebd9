"""The layers of the network, in Keras on TensorFlow; always in float32, whatever `~/.keras/keras.json` says."""

import keras

from mobilebert_tf.errors import UsageError

if keras.config.backend() != "tensorflow":
    raise UsageError(
        f"Keras was imported with the backend {keras.config.backend()!r} before mobilebert_tf; import mobilebert_tf "
        "first, or set KERAS_BACKEND=tensorflow"
    )
if keras.config.floatx() != "float32":
    keras.config.set_floatx("float32")
