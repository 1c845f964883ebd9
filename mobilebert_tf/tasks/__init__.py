"""Tasks of fine-tuned models, one class for each kind."""

NAMES = ("classification", "regression", "multilabel", "qa", "entities", "embedding", "prototypes")
"""Names of the kinds, for flags; `kinds.py` has the classes, which take longer to import."""

TRAINED = ("classification", "regression", "multilabel", "qa", "entities")
"""Kinds that `finetune` trains; sentence embeddings come from a model's teacher instead."""
