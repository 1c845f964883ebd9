"""`predict`: classifier + text -> label and probabilities."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predict:
    """Ask a fine-tuned classifier about a text.

    Reads a model directory, which runs in Keras, or a .tflite file, which runs in LiteRT
    and has the other files of its export beside it. The text is given on the command
    line or a line each in a file. Prints the label and its probability, then those of
    the other labels; writes nothing.

    Examples:
      mobilebert-tf predict --model=runs/exported/dynamic_int8.tflite --text="Return the sum of squares."
      mobilebert-tf predict --model=runs/classifier --input=questions.txt --json
    """

    model: str = option("model directory or .tflite file", is_input=True)
    text: str | None = option("the text", None)
    context: str | None = option("the second text, for a model of pairs", None)
    input: str | None = option("file with a text a line instead of --text; - is standard input", None, is_input=True)
    json: bool = option("print one JSON object per text", False)
    threads: int = option("threads of LiteRT", 1, identity=False, least=1, most=1024)

    def run(self) -> None:
        """Print what the classifier says.

        Raises:
          UsageError: no text or two sources of it, or the model is no such classifier.
        """
        from mobilebert_tf.tasks.classification import Example
        from mobilebert_tf.tasks.classifiers import load_classifier

        texts = self._texts()
        classifier = load_classifier(self.model, self.threads)
        paired = classifier.task.text_pair_column is not None
        if paired != (self.context is not None):
            fix = "give the second one with --context" if paired else "leave --context out"
            raise UsageError(f"{self.model}: judges {'two texts' if paired else 'one text'} at a time; {fix}")
        examples = [Example(text, self.context) for text in texts]
        logits = classifier.logits(classifier.task.features(examples, classifier.tokenizer))
        for text, answer in zip(texts, classifier.task.decode(logits), strict=True):
            if self.json:
                print(json.dumps({"text": text, **answer}, ensure_ascii=False))
            else:
                print(_line(text, answer, show_text=len(texts) > 1))

    def _texts(self) -> list[str]:
        from mobilebert_tf.data.text_files import read_lines

        if (self.text is None) == (self.input is None):
            raise UsageError('give the text with --text="..." or a file of texts with --input')
        if self.text is not None:
            return [self.text]
        lines = [line.rstrip("\r\n") for line in sys.stdin] if self.input == "-" else list(read_lines(str(self.input)))
        if not lines:
            raise UsageError("--input=-: standard input is empty")
        return lines


def _line(text: str, answer: dict[str, Any], show_text: bool) -> str:
    ranked = sorted(answer["probabilities"].items(), key=lambda item: -item[1])
    line = f"{answer['label']}  {answer['probability']:.1%}"
    others = ", ".join(f"{label} {p:.1%}" for label, p in ranked[1:])
    return f"{line}  ({others})" + (f"  {text}" if show_text else "")
