"""The user's Keras settings change nothing: the network runs in float32 on TensorFlow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from mobilebert_tf import MobileBertConfig, MobileBertEncoder

PROGRAM = """
import json, numpy as np
from mobilebert_tf import MobileBertConfig, MobileBertEncoder
ids = np.arange(5, 13, dtype=np.int32)[None, :]
encoder = MobileBertEncoder(MobileBertConfig.preset("debug_student", vocab_size=20), seed=3)
for number, weight in enumerate(encoder.trainable_weights):
    weight.assign(np.random.default_rng(number).normal(0, 0.1, weight.shape))
outputs = encoder({"input_ids": ids, "input_mask": 0 * ids + 1, "segment_ids": 0 * ids})
print(json.dumps(np.asarray(outputs["sequence_output"], np.float64).tolist()))
"""


def test_a_command_neither_reads_nor_writes_settings_of_keras(tmp_path: Path) -> None:
    """Keras by itself refuses to be imported with a precision that it does not know."""
    (tmp_path / "keras.json").write_text('{"floatx": "bfloat16", "image_data_format": "upside_down"}')
    words = [
        sys.executable,
        "-m",
        "mobilebert_tf",
        "predict",
        "--model=mobilebert_mini",
        "--task=embedding",
        "--text=a",
    ]
    home = tmp_path / "home"
    home.mkdir()
    for place in ({"KERAS_HOME": str(tmp_path)}, {"HOME": str(home)}):
        environment = {name: value for name, value in os.environ.items() if name != "KERAS_HOME"} | place
        process = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert process.returncode == 0, process.stderr[-2000:]
    assert not (home / ".keras").exists()


def test_backend_and_precision(tmp_path: Path) -> None:
    """A variable names a backend that is not installed, and a settings file asks for half precision."""
    (tmp_path / ".keras").mkdir()
    settings = {"floatx": "float16", "epsilon": 1e-7, "backend": "jax", "image_data_format": "channels_last"}
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps(settings))
    environment = {**os.environ, "KERAS_BACKEND": "jax", "HOME": str(tmp_path), "KERAS_HOME": str(tmp_path / ".keras")}
    process = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr[-2000:]
    ids = np.arange(5, 13, dtype=np.int32)[None, :]
    encoder = MobileBertEncoder(MobileBertConfig.preset("debug_student", vocab_size=20), seed=3)
    for number, weight in enumerate(encoder.trainable_weights):
        weight.assign(np.random.default_rng(number).normal(0, 0.1, weight.shape))
    outputs = encoder({"input_ids": ids, "input_mask": 0 * ids + 1, "segment_ids": 0 * ids})
    np.testing.assert_array_equal(json.loads(process.stdout), outputs["sequence_output"])
