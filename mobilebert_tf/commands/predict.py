"""`predict`: fine-tuned model + text -> its answer."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobilebert_tf import notes
from mobilebert_tf.commands.answer_lines import bars, line
from mobilebert_tf.data import lost_text
from mobilebert_tf.data.text_files import STANDARD_INPUT, read_lines
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option
from mobilebert_tf.tasks import NAMES
from mobilebert_tf.tasks.glue_names import GLUE_NAMES

if TYPE_CHECKING:
    from mobilebert_tf.answering.fine_tuned import FineTuned
    from mobilebert_tf.tasks.examples import Example
    from mobilebert_tf.tasks.task import Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predict:
    """Ask a fine-tuned model about a text.

    Reads a model directory, which runs in Keras, or a .tflite file, which runs in LiteRT and needs the other files
    of its export beside it. The text stands on the command line, in a file with one text per line, or in the columns
    of a table as `finetune` reads them, where no label is needed. Prints, by the model's task:

      classes     the likeliest label with its probability, then the others; of several labels those above their
                  thresholds; of a regression the value
      questions   the part of the passage that answers the question
      entities    the text with its entities in brackets
      embeddings  how similar two texts are, or with --json the vector of each

    Writes no file except for a --submission.

    Examples:
      mobilebert-tf predict --model=runs/exported/dynamic_int8.tflite --text="Return the sum of squares."
      mobilebert-tf predict --model=runs/classifier --input=questions.txt --json
      mobilebert-tf predict --model=runs/classifier --input=test.csv --text_column=review
      mobilebert-tf predict --model=runs/answers --text="Who wrote it?" --context="It was written by Ada."
      mobilebert-tf predict --model=runs/rte --task=glue/rte --input=RTE/test.tsv --submission=glue
      mobilebert-tf predict --model=mobilebert_mini --task=embedding --text="A train." --context="A locomotive."
    """

    model: str = option("model directory or .tflite file", is_input=True)
    task: str | None = option(
        "kind of task; default: what the model was fine-tuned for. embedding: sentence embeddings of any model. "
        "glue/sst2 and the other GLUE tasks: the columns of their tables",
        None,
        choices=(*NAMES, *GLUE_NAMES),
    )
    text: str | None = option("the text", None, is_text=True)
    context: str | None = option(
        "the second text, for a model of pairs; for questions, the passage", None, is_text=True
    )
    input: str | None = option(
        "in place of --text: a file with one text per line, - for standard input, or a table (.tsv, .csv, .jsonl; for "
        "entities also columns of words)",
        None,
        is_input=True,
    )
    text_column: str | None = option("table: column of the text; default: as in training", None)
    text_pair_column: str | None = option("table: column of the second text; default: as in training", None)
    json: bool = option("print one JSON object per text", False)
    submission: str | None = option(
        "directory for the answers to a GLUE test set, in the form that its server takes, such as RTE.tsv; default: "
        "they are printed",
        None,
    )
    threads: int = option("threads of LiteRT", 1, identity=False, least=1, most=1024)

    def run(self) -> None:
        """Print the model's answers.

        Raises:
          UsageError: no text or two sources of it, or the model has no such task.
        """
        from mobilebert_tf.answering.fine_tuned import load_fine_tuned
        from mobilebert_tf.data.tables import is_table
        from mobilebert_tf.tasks.examples import Example
        from mobilebert_tf.tasks.table_kind import CONLL

        if (self.text is None) == (self.input is None):
            raise UsageError('give the text with --text="...", or a file of texts with --input: one of the two')
        table = self.input is not None and is_table(self.input)
        is_tagged = self.input is not None and bool({*map(str.lower, Path(self.input).suffixes)} & {*CONLL})
        columns = [name for name in ("text_column", "text_pair_column") if getattr(self, name)]
        if columns and not table:
            raise UsageError(f"--{columns[0]}: is for a table: an --input ending in .tsv, .csv or .jsonl")
        if table and self.context is not None:
            raise UsageError(f"--context: is for texts without columns; {self.input} has a --text_pair_column")
        texts = [] if table else [self.text] if self.text is not None else list(read_lines(str(self.input)))
        if self.submission and not (table and self.task in GLUE_NAMES):
            raise UsageError("--submission: is for a GLUE test set; give the table with --input, and --task=glue/...")
        if self.submission and self.task:
            from mobilebert_tf.tasks import glue_submission

            glue_submission.check(self.submission, self.task)
        model = load_fine_tuned(self.model, self.threads, kind=self.task)
        task = model.reads(self.text_column, self.text_pair_column) if table else self._without_columns(model)
        if fault := task.column_fault([str(self.input)], columns):
            raise UsageError(fault)
        if table or task.name == "entities" and (is_tagged or self._is_of_tagged_words(task, texts)):
            examples = task.read(str(self.input), labelled=False, every_row=True)
        else:
            examples = [Example(text or "", self.context) for text in texts]
        self._answer(model, task, examples)

    def _is_of_tagged_words(self, task: Task, texts: Sequence[str]) -> bool:
        """Whether most lines of the input are a word and a label of the model, which is no running text; prints that.

        Raises:
          UsageError: they are, and come from standard input.
        """
        from mobilebert_tf.data.conll import are_tagged_words

        if self.input is None or not are_tagged_words(texts, task.labels.__contains__):
            return False
        if self.input == STANDARD_INPUT:
            raise UsageError(
                "--input=-: most lines are a word and its label; give a file instead, or one text per line"
            )
        notes.say(
            f"{self.input}: most lines are a word and its label, so they are read as sentences without the labels"
        )
        return True

    def _without_columns(self, model: FineTuned) -> Task:
        """The task of texts outside a table. Raises UsageError: a second text is missing, or superfluous."""
        if model.task.name == "embedding":
            return dataclasses.replace(model.task, text_pair_column=None if self.context is None else "context")
        paired = model.task.text_pair_column is not None
        if paired != (self.context is not None) and not model.judges_either:
            fix = "leave --context out"
            if paired:
                both = f"{model.task.text_column} and {model.task.text_pair_column}"
                fix = "give the second one with --context"
                fix += f", the same for all, or a table with the columns {both}" if self.input else ""
            raise UsageError(f"{self.model}: judges {'two texts' if paired else 'one text'} at a time; {fix}")
        return model.task

    def _answer(self, model: FineTuned, task: Task, examples: list[Example]) -> None:
        from mobilebert_tf.tasks.classification import ClassificationTask

        if self.submission and isinstance(task, ClassificationTask):
            task = dataclasses.replace(task, threshold=0.0)  # the server knows no "none of these"
        features = task.features(examples, model.tokenizer)
        lost_text.say_of(self.input or "--text", examples, model.tokenizer, self.model, lost_text.MOST)
        answers = task.decode(model.answer(features), features)
        if self.submission and self.task:
            from mobilebert_tf.tasks import glue_submission

            print(f"predict: wrote {glue_submission.write(self.submission, self.task, answers)}")
            return
        for example, answer in zip(examples, answers, strict=True):
            if self.json:
                second = {} if example.text_pair is None else {"context": example.text_pair}
                print(json.dumps({"text": example.text, **second, **answer}, ensure_ascii=False))
            else:
                several = len(examples) > 1
                print(line(example.text, example.text_pair, answer, several, colour=sys.stdout.isatty()))
                if not several:
                    print("".join(f"{bar}\n" for bar in bars(answer, sys.stdout.encoding or "ascii")), end="")
