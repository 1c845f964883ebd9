"""Documents from a text feature of a TensorFlow Datasets set."""

from __future__ import annotations

from collections.abc import Iterator

from mobilebert_tf.data.documents import normalize
from mobilebert_tf.errors import FailedError, UsageError, first_line


def read_tfds(name: str, split: str, feature: str) -> Iterator[list[str]]:
    """A document for each example of the set `name` ("wikipedia/20230601.en"): the lines of its text.

    Raises:
      UsageError: there is no such set, split or feature, or the feature is not text.
      FailedError: the set could not be loaded, for example without a network.
    """
    from mobilebert_tf import quiet

    quiet.start_tensorflow()
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name)
    except (tfds.core.registered.DatasetNotFoundError, AssertionError, ValueError) as error:
        raise UsageError(f"--input={name}: no such data set in TensorFlow Datasets ({first_line(error)})") from None
    features = builder.info.features or {}
    if feature not in features:
        raise UsageError(f"--text_feature={feature}: {name} has {', '.join(sorted(features)) or 'no named features'}")
    if not isinstance(features[feature], tfds.features.Text):
        raise UsageError(f"--text_feature={feature}: is {features[feature]} in {name}, not text")
    try:
        examples = tfds.load(name, split=split, shuffle_files=False)
    except (ValueError, KeyError) as error:
        raise UsageError(f"--split={split}: {name} has no such split ({first_line(error)})") from None
    except Exception as error:  # downloading and preparing runs each set's own code
        raise FailedError(f"{name}: could not be loaded ({first_line(error)})") from None
    for example in examples.as_numpy_iterator():
        lines = map(normalize, example[feature].decode("utf-8", errors="replace").splitlines())
        document = [line for line in lines if line]
        if document:
            yield document
