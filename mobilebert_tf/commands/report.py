"""`report`: directories of results -> one HTML page."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mobilebert_tf.options import option
from mobilebert_tf.text_table import counted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Show the results of the other commands on one HTML page.

    Reads directories that `pretrain`, `distill`, `finetune`, `evaluate`, `export` and the
    others wrote, or a directory of such directories, such as `pipeline` writes. The page is a single
    file with its pictures and styles inside: it loads nothing, and can be mailed or
    printed. Results that a directory does not hold (yet) are left out or marked as unfinished.

    Examples:
      mobilebert-tf report --input=demo
      mobilebert-tf report --input=runs/teacher,runs/student --output=transfer.html
    """

    input: str = option("directories of results, comma-separated", is_input=True)
    output: str | None = option(
        "the HTML file (default: report.html in the first directory, or beside an export)", None, identity=False
    )

    def run(self) -> None:
        """Write the page.

        Raises:
          UsageError: a directory holds no results, a result cannot be read, or the output is
            a file that is not such a report.
        """
        from mobilebert_tf import run_directory
        from mobilebert_tf.paths import expand
        from mobilebert_tf.reporting import page, read

        directories = expand(self.input)
        results = read.read(directories)
        path = Path(self.output) if self.output else _place(directories[0])
        run_directory.refuse_sealed(path, "output")
        page.write(results, path)
        print(f"report: {path} ({counted(len(results.runs), 'run')}); open it in a browser")


def _place(directory: Path) -> Path:
    """The path of the page: in the directory, but beside an export, which has its own page and must not change."""
    from mobilebert_tf import run_directory

    whole = directory.resolve()
    return whole.with_name(f"{whole.name}.html") if (whole / run_directory.SEAL).exists() else directory / "report.html"
