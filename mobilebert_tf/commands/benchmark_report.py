"""`benchmark report`: result files -> tables and pictures."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mobilebert_tf.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkReport:
    """Make tables and pictures of result files, in Markdown.

    A row a file, a column a place: host, emulated and device figures are never in one column, and a ratio
    stands beside the place it was measured at. What was judged invalid is named below and has no figure;
    what is doubtful has a mark and its reason. --published sets what others published about phones beside it, as
    what it is. If the page exists, the report goes between its lines `<!-- benchmark report -->` and
    `<!-- /benchmark report -->`.

    Example:
      mobilebert-tf benchmark report --results='results/*.json' --published --output=latency.md
    """

    results: str = option("JSON files of benchmarks or patterns, comma-separated", is_input=True)
    output: str = option("Markdown file")
    published: bool = option("add what others published about phones", False)
    pictures: bool = option("draw distributions, latency against length, sustained curves, as SVG beside it", True)

    def run(self) -> None:
        """Write the page.

        Raises:
          UsageError: a file is missing or no result, or the page has no place for it.
        """
        from mobilebert_tf.benchmarks.report import page
        from mobilebert_tf.run_directory import expand

        output = Path(self.output)
        page.check(output)
        pictures = page.write(output, expand(self.results), self.published, self.pictures)
        print(f"benchmark report: {output}" + (f" and {len(pictures)} pictures" if pictures else ""))
