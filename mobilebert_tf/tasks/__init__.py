"""What a fine-tuned model is for: one class a kind of task."""

NAMES = ("classification", "regression", "multilabel", "qa", "entities", "embedding", "prototypes")
"""Of the kinds, for flags; `kinds.py` has the classes, which take longer to import."""

TRAINED = ("classification", "regression", "multilabel", "qa", "entities")
"""Those that `finetune` trains: sentence embeddings are what a model has from its teacher."""
