"""Runs in MediaPipe's own environment, with nothing else installed: texts -> scores of its TextClassifier.

    python side.py MODEL.tflite TEXTS.json SCORES.json

TEXTS.json is a list of texts; SCORES.json gets the version and, for each text, the score of every class in the order
of the file's output.
"""

import json
import sys

import mediapipe
from mediapipe.tasks.python import BaseOptions, text


def main(model: str, texts: str, scores: str) -> None:
    with open(texts, encoding="utf-8") as file:
        wanted = json.load(file)
    options = text.TextClassifierOptions(base_options=BaseOptions(model_asset_path=model))
    rows = []
    with text.TextClassifier.create_from_options(options) as classifier:
        for one in wanted:
            (head,) = classifier.classify(one).classifications
            row = [0.0] * len(head.categories)
            for category in head.categories:
                row[category.index] = category.score
            rows.append(row)
        labels = [category.category_name for category in sorted(head.categories, key=lambda one: one.index)]
    with open(scores, "w", encoding="utf-8") as file:
        json.dump({"version": mediapipe.__version__, "labels": labels, "scores": rows}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
