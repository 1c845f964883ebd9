"""`predict`: classifier + text -> label and probabilities."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option

if TYPE_CHECKING:
    from mobilebert_tf.tasks.classification import ClassificationTask, Example
    from mobilebert_tf.tasks.classifiers import Classifier


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predict:
    """Ask a fine-tuned classifier about a text.

    Reads a model directory, which runs in Keras, or a .tflite file, which runs in LiteRT
    and has the other files of its export beside it. The text is given on the command
    line, a line each in a file, or in the columns of a table as `finetune` reads them, whose
    label is not needed. Prints the label and its probability, then those of the other
    labels; writes nothing.

    Examples:
      mobilebert-tf predict --model=runs/exported/dynamic_int8.tflite --text="Return the sum of squares."
      mobilebert-tf predict --model=runs/classifier --input=questions.txt --json
      mobilebert-tf predict --model=runs/classifier --input=test.csv --text_column=review
    """

    model: str = option("model directory or .tflite file", is_input=True)
    text: str | None = option("the text", None)
    context: str | None = option("the second text, for a model of pairs", None)
    input: str | None = option(
        "instead of --text: a file with a text a line, - for standard input, or a table (.tsv, .csv, .jsonl)",
        None,
        is_input=True,
    )
    text_column: str | None = option("table: column of the text; left out: as in training", None)
    text_pair_column: str | None = option("table: column of the second text; left out: as in training", None)
    json: bool = option("print one JSON object per text", False)
    threads: int = option("threads of LiteRT", 1, identity=False, least=1, most=1024)

    def run(self) -> None:
        """Print what the classifier says.

        Raises:
          UsageError: no text or two sources of it, or the model is no such classifier.
        """
        from mobilebert_tf.data.tables import is_table
        from mobilebert_tf.data.text_files import read_lines
        from mobilebert_tf.tasks.classification import Example
        from mobilebert_tf.tasks.classifiers import load_classifier

        if (self.text is None) == (self.input is None):
            raise UsageError('give the text with --text="..." or a file of texts with --input')
        table = self.input is not None and is_table(self.input)
        columns = [name for name in ("text_column", "text_pair_column") if getattr(self, name)]
        if columns and not table:
            raise UsageError(f"--{columns[0]}: is for a table, an --input that ends in .tsv, .csv or .jsonl")
        if table and self.context is not None:
            raise UsageError(f"--context: is for texts without columns; {self.input} has a --text_pair_column")
        texts = [] if table else [self.text] if self.text is not None else list(read_lines(str(self.input)))
        classifier = load_classifier(self.model, self.threads)
        if table:
            task = classifier.reads(self.text_column, self.text_pair_column)
            examples = task.read(str(self.input), labelled=False, every_row=True)
        else:
            task = self._without_columns(classifier)
            examples = [Example(text or "", self.context) for text in texts]
        self._answer(classifier, task, examples)

    def _without_columns(self, classifier: Classifier) -> ClassificationTask:
        """The task of texts that stand by themselves. Raises UsageError: a second one is missing, or too much."""
        paired = classifier.task.text_pair_column is not None
        if paired != (self.context is not None) and not classifier.from_elsewhere:
            fix = "give the second one with --context" if paired else "leave --context out"
            raise UsageError(f"{self.model}: judges {'two texts' if paired else 'one text'} at a time; {fix}")
        return classifier.task

    def _answer(self, classifier: Classifier, task: ClassificationTask, examples: list[Example]) -> None:
        logits = classifier.logits(task.features(examples, classifier.tokenizer))
        for example, answer in zip(examples, task.decode(logits), strict=True):
            if self.json:
                second = {} if example.text_pair is None else {"context": example.text_pair}
                print(json.dumps({"text": example.text, **second, **answer}, ensure_ascii=False))
            else:
                print(_line(example.text, answer, show_text=len(examples) > 1))


def _line(text: str, answer: dict[str, Any], show_text: bool) -> str:
    ranked = sorted(answer["probabilities"].items(), key=lambda item: -item[1])
    line = f"{answer['label']}  {answer['probability']:.1%}"
    others = ", ".join(f"{label} {p:.1%}" for label, p in ranked[1:])
    # A text of a table may have several lines; an answer has one.
    return f"{line}  ({others})" + (f"  {' '.join(text.split())}" if show_text else "")
