"""Program for MediaPipe's own environment, with nothing else installed: texts -> answers of its text tasks.

    python side.py classifier MODEL.tflite TEXTS.json ANSWERS.json
    python side.py embedder MODEL.tflite TEXTS.json ANSWERS.json

TEXTS.json is a list of texts. ANSWERS.json receives the version, the labels and, for each text, the score of every
class in the order of the file's output, or the vector.
"""

import json
import sys

import mediapipe
from mediapipe.tasks.python import BaseOptions, text


def main(kind: str, model: str, texts: str, answers: str) -> None:
    with open(texts, encoding="utf-8") as file:
        wanted = json.load(file)
    base = BaseOptions(model_asset_path=model)
    labels, rows = classify(base, wanted) if kind == "classifier" else ([], embed(base, wanted))
    with open(answers, "w", encoding="utf-8") as file:
        json.dump({"version": mediapipe.__version__, "labels": labels, "scores": rows}, file)


def classify(base: BaseOptions, wanted: list) -> tuple:
    """The labels, and the scores of each text."""
    rows = []
    with text.TextClassifier.create_from_options(text.TextClassifierOptions(base_options=base)) as classifier:
        for one in wanted:
            (head,) = classifier.classify(one).classifications
            row = [0.0] * len(head.categories)
            for category in head.categories:
                row[category.index] = category.score
            rows.append(row)
        labels = [category.category_name for category in sorted(head.categories, key=lambda one: one.index)]
    return labels, rows


def embed(base: BaseOptions, wanted: list) -> list:
    """The vector of each text."""
    with text.TextEmbedder.create_from_options(text.TextEmbedderOptions(base_options=base)) as embedder:
        return [[float(value) for value in embedder.embed(one).embeddings[0].embedding] for one in wanted]


if __name__ == "__main__":
    main(*sys.argv[1:])
