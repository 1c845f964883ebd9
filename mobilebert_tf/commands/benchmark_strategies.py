"""`benchmark strategies`: the benefit of transfer on the user's own text."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkStrategies:
    """Compare no transfer, auxiliary, joint and progressive transfer, and progressive without one of its parts.

    All variants make the same number of updates of the same student on the same records. Each strategy is run
    with the first seed and every one of --learning_rates for its last stage. The rate that is best on held-out
    text (for variants without a part, that of progressive transfer) is then repeated with --seeds seeds, and
    every student is fine-tuned and scored. Each run is a command of its own in --work, so that a stopped
    comparison goes on with the same command.

    Example, with what `make demo` leaves:
      mobilebert-tf benchmark strategies --teacher=demo/teacher --records=demo/records/train \\
          --held_out=demo/records/heldout --train=demo/corpus/sentences/train.tsv \\
          --eval=demo/corpus/sentences/eval.tsv --work=strategies --output=strategies.json
    """

    teacher: str = option("model directory of the teacher", is_input=True)
    records: str = option("directory of pretraining records", is_input=True)
    held_out: str = option("records that are only scored", is_input=True)
    train: str = option("labelled table to fine-tune on", is_input=True)
    eval: str = option("labelled table to score on", is_input=True)
    work: str = option("directory for the runs")
    output: str = option("JSON file for the results")
    student: str = option("preset of the student", "demo_student")
    seeds: int = option("repetitions, each with another seed", 3, least=1, most=1000)
    transfer_steps: int = option("steps per layer", 150, least=1, most=10**9)
    distillation_steps: int = option("steps of the last stage", 450, least=1, most=10**9)
    batch_size: int = option("examples per step", 32, least=1, most=65_536)
    transfer_learning_rate: float = option("peak rate of layer-wise stages", 2e-3, least=0, most=10)
    learning_rates: str = option("peak rates of the last stage to choose from, comma-separated", "4e-4,2e-3")
    attention_weight: float = option("weight of attention transfer", 20.0, least=0, most=1e6)
    finetune_epochs: float = option("passes over the training table", 2.0, least=0, most=1e6)
    finetune_learning_rate: float = option("peak rate of fine-tuning", 5e-4, least=0, most=10)
    max_seq_length: int = option("longest input of the task in word pieces", 64, least=3, most=100_000)

    def run(self) -> None:
        """Run, choose, repeat, write, print.

        Raises:
          UsageError: the output exists, or a rate is not a number.
          FailedError: one of the commands failed.
        """
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.library import strategies

        results.check_output(self.output)
        try:
            rates = tuple(float(rate) for rate in self.learning_rates.split(","))
        except ValueError:
            raise UsageError(f"--learning_rates={self.learning_rates}: must be comma-separated numbers") from None
        given = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(strategies.Settings)
            if field.name not in ("learning_rates", "layers")
        }
        layers = MobileBertConfig.preset(self.student).num_hidden_layers
        settings = strategies.Settings(**given, learning_rates=rates, layers=layers)
        subjects = strategies.measure(settings, Path(self.work))
        written = results.document("strategies", "nats per masked word", dataclasses.asdict(settings), subjects)
        results.write(self.output, written)
        print(strategies.table(written))
        print(f"\nbenchmark strategies: {self.output} has every run with its command; the runs are in {self.work}")
