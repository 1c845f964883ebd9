"""The pages report.html and report.md of an export, made only from the `report.json` beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic
from mobilebert_tf.fields import read_object
from mobilebert_tf.reporting import export_part, provenance, read_export, shipping, templates, words
from mobilebert_tf.reporting.json_values import AGAIN

NAMES = ("report.html", "report.md")


def write(directory: Path) -> None:
    """Write both pages beside the `report.json` in this directory.

    Raises:
      UsageError: the file is not a report of `export`.
    """
    path = directory / "report.json"
    html, markdown = render(read_object(path), path)
    for name, text in zip(NAMES, (html, markdown), strict=True):
        atomic.write_text(directory / name, text)


def recommended(directory: Path) -> str | None:
    """The file that the report in this directory recommends without a special case; None: no file passed.

    Raises:
      UsageError: the file is not a report of `export`.
    """
    path = directory / "report.json"
    variant = shipping.general(read_export.of_report(read_object(path, AGAIN), path))
    return variant.file if variant else None


def render(report: Mapping[str, Any], path: Path = Path("report.json")) -> tuple[str, str]:
    """HTML and Markdown of a report as returned by `json.loads`; `path` is for messages.

    Raises:
      UsageError: the content is not a report of `export`.
    """
    export = read_export.of_report(report, path)
    values = {
        "headline": words.files_headline([export]),
        "part": export_part.part(export, 1),
        "provenance": tuple(provenance.rows([export.run])),
        "command": str(export.run.made_by.get("command") or "–"),
        "limits": words.files_limits([export]),
    }
    date = str(export.run.made_by.get("date") or "")[:10]
    html = templates.render_html("export_report.html.j2", by="mobilebert-tf export", date=date, **values)
    return html, templates.render_markdown("export_report.md.j2", **values)
