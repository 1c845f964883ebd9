"""`benchmark tasks`: the speed of the work that tasks do around the network."""

from __future__ import annotations

import dataclasses

from mobilebert_tf.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkTasks:
    """Measure featurising, scoring and fine-tuning, each compared with its plain form.

    Each pair runs in fresh processes that take turns: the features of questions (windows, offsets, labels) and the
    tokenizer alone on the same texts, on one core; scoring with a .tflite file in one process per processor and in a
    single one; fine-tuning on batches of similar length and on the same table padded to 128 word pieces.

    Example:
      mobilebert-tf benchmark tasks --questions=dev-v1.1.json --vocab=vocab.txt --file=exported/dynamic_int8.tflite \\
          --table=dev.tsv --output=tasks.json
    """

    questions: str = option("questions in SQuAD's JSON", is_input=True)
    vocab: str = option("vocabulary file", is_input=True)
    file: str = option(".tflite file of a classifier, with its export beside it", is_input=True)
    table: str = option("labelled table of that classifier, to score and to train on", is_input=True)
    output: str = option("JSON file for the results")
    text_column: str = option("column of the text, for training", "text")
    label_column: str = option("column of the label, for training", "label")
    model: str = option("model directory to fine-tune", "mobilebert_mini", is_input=True)
    steps: int = option("timed steps of 32 examples", 20, least=1, most=10**6)
    rounds: int = option("rounds over all pairs", 3, least=1, most=10**4)

    def run(self) -> None:
        """Measure, write, print.

        Raises:
          UsageError: the output exists.
          FailedError: a measuring process died.
        """
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.library import tasks

        results.check_output(self.output)
        settings = tasks.Settings(
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(tasks.Settings)}
        )
        subjects = tasks.measure(settings)
        results.write(self.output, results.document("tasks", "s", dataclasses.asdict(settings), subjects))
        print(tasks.table(subjects))
        print(f"\nbenchmark tasks: {self.output} has all samples")
