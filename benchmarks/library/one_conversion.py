"""One `mobilebert-tf convert` in this process: python -m mobilebert_tf.benchmarks.library.one_conversion --input=... .

The last line it prints is its peak memory in MiB.
"""

from __future__ import annotations

import sys

from mobilebert_tf import cli
from mobilebert_tf.benchmarks.files.memory import peak_memory

if __name__ == "__main__":
    status = cli.run(["convert", *sys.argv[1:]])
    print(peak_memory())
    sys.exit(status)
