"""`benchmark study`: variants of a chain of commands compared over seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option

if TYPE_CHECKING:
    from mobilebert_tf.benchmarks.study import Round, Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkStudy:
    """Run variants of a chain of commands over several seeds, and compare their figures.

    A JSON file states the study: the chain with its flags, the variants, the number of seeds, and the numbers
    to take from each run's metrics.json. benchmarks/studies holds the studies whose tables are in
    benchmarks/README.md. Each run is a command of its own below --work; the same command goes on with what is
    missing. The result holds every run with its command and its figures. A study may take days: Ctrl-C writes
    what has been measured, and --earlier takes that, or any result of the study, as done, also on another machine;
    --work and --inputs must then be spelled as before.

    Example:
      mobilebert-tf benchmark study --study=benchmarks/studies/shape.json --work=shape --output=shape.json \\
          --inputs=teacher=all-MiniLM-L6-v2,records=records,held_out=held_out,sst2=SST-2
    """

    study: str = option("JSON file with the study", is_input=True)
    work: str = option("directory for the runs")
    output: str = option("JSON file for the results")
    inputs: str = option("NAME=PATH for each name in braces in the study, comma-separated", "")
    seeds: int = option(
        "number of seeds, to begin with fewer than the study states; 0: as many as it states", 0, least=0, most=1000
    )
    earlier: str | None = option("result of this study whose runs are not repeated", None, is_input=True)

    def run(self) -> None:
        """Run what is missing, write, print.

        Raises:
          UsageError: the study or the earlier result is broken, an input has no value, or the output exists.
          FailedError: one of the commands failed.
        """
        from mobilebert_tf import command_line
        from mobilebert_tf.benchmarks import results, schema, study

        results.check_output(self.output)
        given = {"study": str(Path(self.study).parent)}
        for pair in filter(None, self.inputs.split(",")):
            name, equals, value = pair.partition("=")
            if not equals:
                raise UsageError(f"--inputs={self.inputs}: {pair!r} is not NAME=PATH")
            given[name] = value
        asked = study.read(self.study)
        if self.seeds:
            asked = dataclasses.replace(asked, seeds=self.seeds)
        # A study may take days: whatever its commands refuse is said before the first of them runs.
        for variant, step, words in study.command_lines(asked, given, Path(self.work)):
            try:
                command_line.check(words)
            except UsageError as error:
                raise UsageError(f"{self.study}: variant {variant!r}, step {step!r}: {error}") from None
        earlier = study.rounds_of(schema.read_of_kind(Path(self.earlier), "study"), asked) if self.earlier else {}
        rounds: list[tuple[str, Round]] = []
        try:
            for measured in study.measure(asked, given, Path(self.work), earlier):
                rounds.append(measured)
        except KeyboardInterrupt:
            if rounds:
                self._write(asked, rounds)
                print(f"the rest: the same command with another --output, and --earlier={self.output}")
            raise
        self._write(asked, rounds)

    def _write(self, asked: Study, rounds: Sequence[tuple[str, Round]]) -> None:
        from mobilebert_tf.benchmarks import results, study, study_table
        from mobilebert_tf.text_table import aligned

        measured = study.subjects(asked, rounds)
        written = results.document("study", next(iter(asked.figures)), dataclasses.asdict(asked), measured)
        results.write(self.output, written)
        print(aligned([list(study_table.head(written)), *map(list, study_table.rows(written))]))
        print(f"\nbenchmark study: {self.output} has every run with its command; the runs are in {self.work}")
