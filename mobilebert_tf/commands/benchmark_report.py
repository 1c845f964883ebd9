"""`benchmark report`: result files -> tables and pictures."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mobilebert_tf.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkReport:
    """Make tables and pictures from result files, in Markdown.

    The tables have one row per file and one column per place: host, emulated and device figures never share a
    column, and a ratio stands beside the place where it was measured. Invalid results are named below without a
    figure; doubtful ones have a mark and a reason. --published adds what others published about phones, marked as
    such. If the page exists, the report goes between its lines `<!-- benchmark report -->` and
    `<!-- /benchmark report -->`.

    Example:
      mobilebert-tf benchmark report --results='results/*.json' --published --output=latency.md
    """

    results: str = option("JSON files of benchmarks or patterns, comma-separated", is_input=True)
    output: str = option("Markdown file")
    published: bool = option("add what others published about phones", False)
    pictures: bool = option(
        "draw distributions, latency against length, and sustained curves, as SVG files beside the page", True
    )

    def run(self) -> None:
        """Write the page.

        Raises:
          UsageError: a file is missing or not a result, or an existing page lacks these lines.
        """
        from mobilebert_tf.benchmarks.report import page
        from mobilebert_tf.paths import expand

        output = Path(self.output)
        page.check(output)
        once = {path.resolve(): path for path in expand(self.results)}  # a name and a pattern may overlap
        pictures = page.write(output, list(once.values()), self.published, self.pictures)
        print(f"benchmark report: {output}" + (f" and {len(pictures)} pictures" if pictures else ""))
