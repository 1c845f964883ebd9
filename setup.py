"""Package metadata and the map from directories to packages.

`export/` and `benchmarks/` stand at the top of the tree and are imported as
mobilebert_tf.export and mobilebert_tf.benchmarks, so that an installation does not
put packages with such general names into site-packages.
"""

import ast
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def version() -> str:
    """`__version__` of the package, read without importing it."""
    tree = ast.parse((ROOT / "mobilebert_tf" / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__version__":
            return ast.literal_eval(node.value)
    raise SystemExit("mobilebert_tf/__init__.py has no __version__")


def packages(directory: str, name: str) -> list[str]:
    """The package `name` that lies in `directory`, and those below it."""
    below = find_packages(directory, exclude=["tests", "tests.*"])
    return [name] + [f"{name}.{package}" for package in below]


setup(
    name="mobilebert_tf",
    version=version(),
    description="Train, distil, fine-tune, shrink and verify MobileBERT: from raw text to a .tflite file",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8") if (ROOT / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "mobilebert_tf/pretrained/*/NOTICE"],
    python_requires=">=3.10,<3.14",
    packages=packages("mobilebert_tf", "mobilebert_tf")
    + packages("export", "mobilebert_tf.export")
    + packages("benchmarks", "mobilebert_tf.benchmarks"),
    package_dir={
        "mobilebert_tf": "mobilebert_tf",
        "mobilebert_tf.export": "export",
        "mobilebert_tf.benchmarks": "benchmarks",
    },
    package_data={
        "mobilebert_tf": ["pretrained/*/*"],
        "mobilebert_tf.reporting": ["*.j2", "*.html", "*.css"],
        "mobilebert_tf.benchmarks": ["*.json"],
        "mobilebert_tf.benchmarks.arm": ["*.c", "cores/*.cpuinfo"],
        "mobilebert_tf.benchmarks.library": ["*.json"],
        "mobilebert_tf.benchmarks.report": ["*.json"],
        "mobilebert_tf.litert": ["*.json"],
    },
    entry_points={"console_scripts": ["mobilebert-tf = mobilebert_tf.cli:main"]},
    # TensorFlow and TensorFlow Text must have the same minor version. Keras 3.13 and
    # later need Python 3.11, so 3.10 gets 3.12.
    install_requires=[
        "absl-py>=2.3",
        "ai-edge-litert>=2.1,<3",
        "flatbuffers>=24.3",
        "h5py>=3.11",
        "icu4py>=1.1,<2",  # 1.2 needs Python 3.11
        "importlib-resources>=6",  # tensorflow-datasets 4.9.10 imports it to prepare a set, and does not ask for it
        "jinja2>=3.1",
        "jsonschema>=4.23,<5",
        "keras>=3.12,<4",
        "litert-quantizer>=0.11,<0.12",
        "matplotlib>=3.9",
        "ml-dtypes>=0.5",
        "msgspec>=0.20,<1",
        "numpy>=2.0,<3",
        "safetensors>=0.5,<1",
        "scipy>=1.13",
        "tensorboard>=2.20,<3",
        "tensorflow-datasets>=4.9.9",
        "tensorflow-text>=2.21,<2.22",
        "tensorflow>=2.21,<2.22",
        "tokenizers>=0.21,<1",
        "tqdm>=4.66",
    ],
    extras_require={
        # For the tests that hold conversions to the original implementation; nothing else needs it.
        "huggingface": ["torch>=2.6", "transformers>=4.50"],
        # For `records --runner=beam`. google-crc32c makes TFRecord checksums fast; tensorflow-metadata is named
        # because on Python 3.10 it and Beam disagree about protobuf, and a resolver then takes one of 2017.
        "beam": ["apache-beam>=2.77,<3", "google-crc32c>=1.6", "tensorflow-metadata>=1.17"],
        # For `benchmark baseline`.
        "baselines": ["scikit-learn>=1.5"],
        "dev": [
            "build>=1.2",
            "import-linter>=2.3",
            "mypy>=1.15",
            "pytest>=8.3",
            "pytest-xdist>=3.6",
            "ruff>=0.9",
            "scikit-learn>=1.5",
            "setuptools>=80",
            "types-jsonschema",
            "types-tqdm",
        ],
    },
    classifiers=[
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    zip_safe=False,
)
