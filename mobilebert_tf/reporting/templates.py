"""Rendering of the templates beside this file, with their filters for figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from mobilebert_tf.reporting import numbers
from mobilebert_tf.reporting.tables import Cell

GENERATOR = "mobilebert-tf report"
"""Mark in the head of a page, so that a report replaces only an earlier report."""


def render_html(template: str, **values: Any) -> str:
    """A page of HTML that loads no other files."""
    css = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return _environment(escape=True).get_template(template).render(generator=GENERATOR, css=css, **values)


def render_markdown(template: str, **values: Any) -> str:
    """Plain text that ends with a line break; no-break spaces become spaces."""
    text = _environment(escape=False).get_template(template).render(**values)
    return text.replace("\u00a0", " ").rstrip() + "\n"


def _environment(escape: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mobilebert_tf.reporting", ""),
        autoescape=escape,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    for name in ("percent", "milliseconds", "megabytes", "significant"):
        environment.filters[name] = getattr(numbers, name)
    environment.filters.update(md=_markdown, md_cell=_markdown_cell)
    environment.globals["absent"] = numbers.ABSENT
    return environment


def _markdown(text: str) -> str:
    """The text with all characters escaped that would be markup, or end a cell or a line."""
    for sign in "\\|<*_`":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split(" ")).replace("\n", " ")


def _markdown_cell(cell: Cell) -> str:
    text = f"`{cell.text}`" if cell.kind == "file" else _markdown(cell.text)
    return "; ".join([text, *map(_markdown, cell.notes)])
