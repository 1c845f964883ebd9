"""The last lines of an export: results of the files, the names of what was written, and the next steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mobilebert_tf.commands import next_step
from mobilebert_tf.export.choose import explain_report, search_report
from mobilebert_tf.export.make.variants import Made
from mobilebert_tf.export.ship import report
from mobilebert_tf.exported import Report
from mobilebert_tf.reporting import export_report
from mobilebert_tf.tasks.task import Task


def print_summary(directory: Path, task: Task, made: Made, found: Report, passed_on: Sequence[str], shown: str) -> None:
    """Print results, written files and next steps.

    Args:
      directory: the finished export.
      passed_on: names of licence files that came with the model.
      shown: where the contracts' examples come from.
    """
    print("\n" + report.table(found) + "\n")
    if made.searched:
        print(search_report.table(made.searched) + "\n")
    for one in made.explained.values():
        print(explain_report.tables(one) + "\n")
        if one.mended:
            print(f"{one.mended.description}: --recipes={directory / one.mended.name}.json")
            print(explain_report.recipe_line(one.mended) + "\n")
        else:
            print(f"{one.recipe}: no part makes it better\n")
    files = [row.file for row in made.variants if row.file]
    print(f"export: {directory} has {', '.join([*files, 'report.json'])}")
    if passed_on:
        print(f"{', '.join(passed_on)}: came with the model's weights; pass on with the files")
    print(f"examples in the contracts, word for word: {shown}")
    next_step.say(next_step.line("export verify", str(directory)).replace("next:", "check a copy:"))
    print(f"which to ship: {directory / 'report.html'}, the same in report.md")
    if best := export_report.recommended(directory):
        context = ["--context=..."] if task.judges_pairs or task.name == "embedding" else []
        next_step.say(next_step.line("predict", f"--model={directory / best}", "--text=...", *context))
