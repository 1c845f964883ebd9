"""`benchmark paper`: the networks of the MobileBERT paper as files of this project."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkPaper:
    """Make the networks of the MobileBERT paper's tables, and compare their cost with the paper's.

    Converts each network with random weights for 128 word pieces, and writes parameters, multiply-adds, size and an
    estimate of instructions, beside the milliseconds that the paper gives for a Pixel 4. Files stay in --files, so
    that `benchmark host`, `instructions` and `android` can measure them; existing files are not made again.
    Results of the first two, given as --measured, are added to the table.
    All 16 networks, in 20 rows, take at most 20 minutes on 2 cores, 5 GB of disk and 20 GB of memory.

    Examples:
      mobilebert-tf benchmark paper --files=paper --output=paper.json
      mobilebert-tf benchmark paper --files=paper --tables='operational optimisation' --output=opt.json
      mobilebert-tf benchmark host --models='paper/*.tflite' --rounds=6 --runs=5 --warm_up=2 --output=host.json
      mobilebert-tf benchmark instructions --models='paper/*.tflite' --output=arm.json
      mobilebert-tf benchmark paper --files=paper --measured=host.json,arm.json --output=all.json
    """

    files: str = option("directory for the .tflite files", identity=False)
    output: str = option("JSON file for the results")
    tables: str | None = option("names of tables, comma-separated; default: all", None)
    recipes: str = option(
        "recipes of the files, comma-separated: float32, float16, dynamic_int8", "float32,dynamic_int8"
    )
    measured: str | None = option(
        "results of `benchmark host` and `benchmark instructions` for these files, comma-separated",
        None,
        is_input=True,
    )
    networks: str | None = option("JSON file of tables in place of the paper's", None, is_input=True)

    def run(self) -> None:
        """Convert, write, print.

        Raises:
          UsageError: there is no such table or recipe, --measured has other results, or the output exists.
          FailedError: a network cannot be converted.
        """
        from mobilebert_tf.benchmarks import results, schema
        from mobilebert_tf.benchmarks.library import paper
        from mobilebert_tf.paths import expand

        results.check_output(self.output)
        known, recipes = ("float32", "float16", "dynamic_int8"), self.recipes.split(",")
        if not set(recipes) <= set(known):
            raise UsageError(f"--recipes={self.recipes}: choose from {', '.join(known)}, separated by commas")
        asked = paper.load(Path(self.networks) if self.networks else paper.TABLES)
        paths = expand(self.measured) if self.measured else []
        measured = paper.figures({path: schema.read(path) for path in paths})
        Path(self.files).mkdir(parents=True, exist_ok=True)
        tables = self.tables.split(",") if self.tables else []
        subjects = paper.measure(asked, tables, recipes, Path(self.files), measured.by_hash)
        settings = {
            "tables": tables or list(asked.tables),
            "recipes": recipes,
            "sequence_length": asked.sequence_length,
            "host": measured.host,
        }
        written = results.document("paper", "million", settings, subjects, where="estimated")
        results.write(self.output, written)
        print(paper.table(written))
        print(f"\nbenchmark paper: {self.output} has all figures, {self.files} the files")
