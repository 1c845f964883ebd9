"""The report as Markdown: a new page, or the part of an existing page between two markers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mobilebert_tf import atomic, run_directory
from mobilebert_tf.benchmarks.report import figures, pictures, study_pictures, tables
from mobilebert_tf.errors import UsageError

BEGIN, END = "<!-- benchmark report -->", "<!-- /benchmark report -->"


def check(output: Path) -> None:
    """Raise UsageError if an existing page has no markers for the report, or the page would be added to an export."""
    if output.suffix != ".md":
        raise UsageError(f"--output={output}: the report is Markdown; the name must end in .md")
    run_directory.refuse_sealed(output, "output")
    if output.exists() and not output.is_file():
        raise UsageError(f"--output={output}: is no regular file; name the Markdown file to write")
    if output.exists():
        try:
            text = output.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise UsageError(
                f"--output={output}: exists and is not UTF-8; save it as UTF-8, or give another file"
            ) from None
        if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
            raise UsageError(
                f"--output={output}: exists and lacks the lines {BEGIN} and {END}; put them where the report goes"
            )


def write(output: Path, results: Sequence[Path], with_published: bool, with_pictures: bool) -> list[Path]:
    """Write the report, and its pictures next to it. Returns the pictures' paths.

    Raises:
      UsageError: a file is missing or not a result, or the results have nothing to show.
    """
    check(output)
    of_files, of_others = figures.read(results)
    parts = []
    if of_files:
        parts.append(tables.latencies(of_files))
        if compared := tables.ratios(of_files):
            parts.append("Ratios, each to the baseline of its own measurement:\n\n" + compared)
    parts += tables.others(of_others)
    if with_published:
        parts.append(tables.published(of_files))
    if not parts:
        raise UsageError("--results: have nothing that a report could show")
    written = []
    if with_pictures:
        of_studies = {
            path.stem: drawn
            for path, document in of_others
            if document.get("kind") == "study" and (drawn := study_pictures.picture(document))
        }
        for name, drawing in (pictures.all_of(of_files) | of_studies).items():
            path = output.with_name(f"{output.stem}-{name}.svg")
            atomic.write_text(path, drawing)
            written.append(path)
            parts.append(f"![{name}]({path.name})")
    text = f"{BEGIN}\n" + "\n\n".join(parts) + f"\n\n{END}"
    if output.exists():
        page = output.read_text(encoding="utf-8")
        text = page[: page.index(BEGIN)] + text + page[page.index(END) + len(END) :]
    else:
        text += "\n"
    atomic.write_text(output, text)
    return written
