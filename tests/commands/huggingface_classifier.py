"""PyTorch's side of `test_export_transformers.py`, in a process of its own because it crashes beside TensorFlow.

python huggingface_classifier.py DIRECTORY

DIRECTORY/order.json names a vocabulary, labels, pairs of texts and lengths. Makes DIRECTORY/model, a full-size
MobileBERT for sequence classification as `save_pretrained` writes it, and DIRECTORY/answers.npz: for each length the
tokenizer's ids, the model's logits, and its logits with every matrix rounded to 8 bits.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
import transformers

DEVIATIONS = {"word_embeddings": 1.0, ".query.": 0.1, ".key.": 0.1, "classifier": 0.3, "embedding": 0.05}
"""Standard deviations of weights by part of their name; others have 0.03. In a new model a text moves the logits by
only 0.1 %; with larger weights float32 rounding grows to a tenth of a logit in 24 layers without normalisation."""


def make(place: Path) -> None:
    settings = json.loads((place / "order.json").read_text())
    torch.manual_seed(5)
    # Versions 4 and 5 read a directory alike, while their arguments have different names.
    (place / "model").mkdir()
    shutil.copy(settings["vocab"], place / "model" / "vocab.txt")
    tokenizer = transformers.BertTokenizerFast.from_pretrained(place / "model")
    labels = dict(enumerate(settings["labels"]))
    config = transformers.MobileBertConfig(id2label=labels, label2id={name: i for i, name in labels.items()})
    model = transformers.MobileBertForSequenceClassification(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                parameter.normal_(0.0, next((d for part, d in DEVIATIONS.items() if part in name), 0.03))
            elif name.endswith("dense.bias"):
                parameter.normal_(0.0, 0.03)
            elif name.endswith("bias"):  # beta of a NoNorm
                parameter.normal_(0.0, 0.1)
            else:  # gamma
                parameter.normal_(1.0, 0.2)
    model.save_pretrained(place / "model")
    tokenizer.save_pretrained(place / "model")
    answers = {}
    for rounded in (False, True):
        if rounded:
            round_matrices(model)
        for length in settings["lengths"]:
            first, second = zip(*settings["pairs"], strict=True)
            encoded = tokenizer(
                list(first),
                list(second),
                padding="max_length",
                truncation=True,
                max_length=length,
                return_tensors="pt",
            )
            with torch.no_grad():
                answers[f"{'rounded' if rounded else 'logits'}_{length}"] = model(**encoded).logits.numpy()
            answers |= {f"{name}_{length}": value.numpy().astype(np.int32) for name, value in encoded.items()}
    np.savez(place / "answers.npz", **answers)


def round_matrices(model: torch.nn.Module) -> None:
    """Round to 127 steps on either side of zero, with a scale for each row (an output channel or a word)."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                scale = parameter.abs().amax(dim=1, keepdim=True) / 127
                parameter.copy_((parameter / scale).round() * scale)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
