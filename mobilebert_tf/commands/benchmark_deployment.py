"""`benchmark deployment`: exports of several models side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option

if TYPE_CHECKING:
    from mobilebert_tf.exported import Report


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkDeployment:
    """Compare the files of several exports: their scores, sizes and costs.

    Measures nothing: the figures are read from the report.json of each export, and the table says when and where
    `export` found them. All exports must have the same score, from the same table, and the same longest length.
    Instructions are those of an emulated or estimated ARM core, milliseconds those of the machine that exported.

    Example:
      mobilebert-tf benchmark deployment --exports=mini-tflite,teacher-tflite --output=deployment.json
    """

    exports: str = option(
        "directories that `export` wrote, comma-separated; their names stand for the models", is_input=True
    )
    output: str = option("JSON file for the results")

    def run(self) -> None:
        """Read, write, print.

        Raises:
          UsageError: a directory is no export or has no scores, two have one name or are not comparable, or the
            output exists.
        """
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.report import deployment
        from mobilebert_tf.fields import read_object
        from mobilebert_tf.reporting import read_export
        from mobilebert_tf.text_table import aligned

        results.check_output(self.output)
        exports = {}
        for directory in map(Path, self.exports.split(",")):
            report = directory / "report.json"
            if not report.exists():
                raise UsageError(f"--exports={directory}: has no report.json; give directories that `export` wrote")
            name = directory.resolve().name
            if name in exports:
                raise UsageError(f"--exports={self.exports}: two are called {name}; rename one")
            export = exports[name] = read_export.of_report(read_object(report), report)
            if not any(variant.file and variant.metrics for variant in export.variants):
                raise UsageError(f"--exports={directory}: has no scores; export it with --evaluation")
        _refuse_unlike(exports)
        written = results.document("deployment", "share", {}, deployment.subjects(exports))
        results.write(self.output, written)
        print(aligned([list(deployment.head(written)), *map(list, deployment.rows(written))]))
        print(f"\n{deployment.note(written)}")
        print(f"\nbenchmark deployment: {self.output} has these figures")


def _refuse_unlike(exports: Mapping[str, Report]) -> None:
    """Raise UsageError if figures of two exports cannot stand in one column."""
    (first, reference), *others = exports.items()
    for name, export in others:
        for what, own, wanted in (
            ("score", export.task.title, reference.task.title),
            ("longest length", export.sequence_lengths[-1], reference.sequence_lengths[-1]),
            ("number of examples", export.keras.get("examples"), reference.keras.get("examples")),
        ):
            if own != wanted:
                raise UsageError(
                    f"--exports: {first} has the {what} {wanted}, {name} {own}; export them with one table and "
                    "the same --sequence_lengths, or make a table of each"
                )
