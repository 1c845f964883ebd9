"""A model's answer to a text, as a line for people."""

from __future__ import annotations

from typing import Any

BOLD, PLAIN = "\x1b[1m", "\x1b[0m"

BAR = 20
"""Characters of a bar for a probability of one."""

EIGHTHS = "\u258f\u258e\u258d\u258c\u258b\u258a\u2589\u2588"
"""Blocks from an eighth of a character to a whole one."""

QUESTION = 80
"""Characters of a question that are shown."""

AROUND = 60
"""Characters of a passage that are shown on either side of an answer."""


def line(text: str, context: str | None, answer: dict[str, Any], show_text: bool, colour: bool) -> str:
    """The answer as one line, followed by its text if `show_text`.

    Args:
      text: the text that the answer is to.
      context: the second text, if there is one.
      answer: as `Task.decode` returns it.
      show_text: whether to append the text.
      colour: whether the terminal shows bold letters; if not, brackets mark the answer in its passage.
    """
    if "entities" in answer:
        return _marked(text, answer["entities"], colour)
    if "others" in answer:
        shown = _answered(context or "", answer, colour)
        asked = _one_line(text)
        asked = asked if len(asked) <= QUESTION else f"{asked[:QUESTION]}..."
        return f"{asked}  {shown}" if show_text else shown
    # A text of a table may have several lines; an answer has one.
    return _said(answer) + (f"  {_one_line(text)}" if show_text else "")


def bars(answer: dict[str, Any], encoding: str) -> list[str]:
    """A line for every label with its probability as a bar, the likeliest first; none where there are no probabilities.

    Args:
      answer: as `Task.decode` returns it.
      encoding: encoding of the terminal; one without block characters gets number signs.
    """
    likely = sorted(answer.get("probabilities", {}).items(), key=lambda item: -item[1])
    width = max((len(label) for label, _ in likely), default=0)
    return [f"  {label:<{width}}  {_bar(p, encoding):<{BAR}}  {p:6.1%}" for label, p in likely]


def _bar(probability: float, encoding: str) -> str:
    try:
        EIGHTHS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "#" * round(probability * BAR)
    full, rest = divmod(round(probability * BAR * 8), 8)
    return EIGHTHS[-1] * full + (EIGHTHS[rest - 1] if rest else "")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _marked(text: str, entities: list[dict[str, Any]], colour: bool) -> str:
    """The text with every entity in brackets, its kind behind it."""
    shown, position = [], 0
    for entity in entities:
        shown.append(text[position : entity["start"]])
        name = f"{BOLD}{entity['text']}{PLAIN}" if colour else entity["text"]
        shown.append(f"[{name} {entity['label']} {entity['probability']:.0%}]")
        position = entity["end"]
    return _one_line("".join([*shown, text[position:]]))


def _answered(context: str, answer: dict[str, Any], colour: bool) -> str:
    """The answer and its place in the passage, or a note that there is none."""
    if answer["start"] is None:
        best = f"; else {answer['others'][0]['answer']!r}" if answer["others"] else ""
        return f"no answer  {answer['probability']:.1%}{best}"
    start, end = answer["start"], answer["end"]
    before, behind = context[max(0, start - AROUND) : start], context[end : end + AROUND]
    marked = f"{BOLD}{answer['answer']}{PLAIN}" if colour else f"[{answer['answer']}]"
    before = f"...{before}" if start > AROUND else before
    behind = f"{behind}..." if end + AROUND < len(context) else behind
    return f"{_one_line(answer['answer'])}  {answer['probability']:.1%}  {_one_line(before + marked + behind)}"


def _said(answer: dict[str, Any]) -> str:
    if "labels" in answer:
        likely = sorted(answer["probabilities"].items(), key=lambda item: -item[1])
        shown = ", ".join(f"{label} {p:.1%}" for label, p in likely)
        return f"{', '.join(answer['labels']) or 'no label'}  ({shown})"
    if "value" in answer:
        return f"{answer['value']:.4g}"
    if "cosine" in answer and "label" not in answer:
        return f"cosine {answer['cosine']:.3f}"
    if "embedding" in answer:
        first = ", ".join(f"{value:.3f}" for value in answer["embedding"][:4])
        return f"{len(answer['embedding'])} values: {first}, ... (--json prints all)"
    if "cosines" in answer:
        near = sorted(answer["cosines"].items(), key=lambda item: -item[1])
        return f"{answer['label']}  (cosine {', '.join(f'{label} {cosine:.3f}' for label, cosine in near)})"
    ranked = sorted(answer["probabilities"].items(), key=lambda item: -item[1])
    # Where no class is sure enough, the label is none of them, so all classes are others.
    behind = ranked[1:] if ranked[0][0] == answer["label"] else ranked
    others = ", ".join(f"{label} {p:.1%}" for label, p in behind)
    return f"{answer['label']}  {answer['probability']:.1%}  ({others})"
