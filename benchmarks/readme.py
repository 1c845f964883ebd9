"""Tables and pictures of the Markdown pages, made from the results:

    python -m mobilebert_tf.benchmarks.readme README.md benchmarks/README.md

A table is between `<!-- NAME -->` and `<!-- /NAME -->`; all its figures come from the
newest file `benchmarks/results/NAME-*.json`. Without such a file the text between the markers is left as it is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic
from mobilebert_tf.benchmarks import defaults_table, kotlin_table, study_table
from mobilebert_tf.benchmarks.files import kernels
from mobilebert_tf.benchmarks.library import paper, strategies, transfer
from mobilebert_tf.benchmarks.library.records import rates
from mobilebert_tf.benchmarks.report import deployment, memory, peers, study_pictures


def fill(text: str, results: Path) -> str:
    """`text` with all its tables regenerated."""
    for name, table in TABLES.items():
        if f"<!-- {name} -->" not in text:
            continue
        result = newest(results, name)
        if result is None:
            continue
        section = table(result)
        if result.get("kind") == "study" and study_pictures.picture(result):
            section += f"\n\n![{name}: the same as a picture]({PICTURES}/{name}.svg)"
        before, rest = text.split(f"<!-- {name} -->")
        after = rest.split(f"<!-- /{name} -->")[1]
        text = f"{before}<!-- {name} -->\n{section}\n\n<!-- /{name} -->{after}"
    return text


def newest(results: Path, name: str) -> dict[str, Any] | None:
    """The newest result of a table; None: it has not been measured yet."""
    sources = list(results.glob(f"{name}-[0-9]*.json"))
    result: dict[str, Any] | None = json.loads(max(sources).read_text(encoding="utf-8")) if sources else None
    return result


PICTURES = "pictures"
"""Directory next to this file with pictures of studies whose variants differ by an amount."""


def draw(results: Path, pictures: Path) -> None:
    """Draw the pictures of all tables that have one."""
    for name in TABLES:
        result = newest(results, name)
        if result and result.get("kind") == "study" and (drawn := study_pictures.picture(result)):
            pictures.mkdir(exist_ok=True)
            atomic.write_text(pictures / f"{name}.svg", drawn)


def _pipeline(found: Mapping[str, Any]) -> str:
    """Scores and files of one run of the pipeline."""
    evaluation, scratch = found["classifier"]["evaluation"], found["classifier_from_scratch"]["evaluation"]
    rows = [
        ("always the most frequent class", "", f"{evaluation['majority_accuracy']:.1%}", "", ""),
        ("student from random weights, Keras", "", f"{scratch['accuracy']:.1%}", "", ""),
        ("student after transfer, Keras", "", f"{evaluation['accuracy']:.1%}", "", ""),
    ]
    if compared := found.get("classifier_compared"):
        title = "the shipped `mobilebert_mini`, Keras"
        rows.append((title, "", f"{compared['evaluation']['accuracy']:.1%}", "", ""))
    at = ""
    for variant in found["variants"]:
        if not variant["file"]:
            continue  # did not convert
        median, length = _longest(variant["latency_ms"])
        at = f" of {length} word pieces" if length else at
        score, same = variant["metrics"]["accuracy"], variant["parity"]["decision_agreement"]
        size = f"{variant['bytes'] / 1e6:.2f} MB"
        rows.append((f"`{variant['file']}`", size, f"{score:.1%}", f"{median:.2f} ms", f"{same:.1%}"))
    machine = found["made_by"]["machine"]
    processor = machine.get("model", machine["processor"])
    note = (
        f"{evaluation['examples']:,} held-out examples; latency{at} on the host ({processor}, one thread), not on a "
        f"phone; {sum(found['seconds'].values()) / 60:.1f} minutes on {machine['cores']} cores."
    )
    return _table(("", "size", "accuracy", "latency", "same answer as Keras"), rows) + "\n\n" + note


def _longest(latency: Mapping[str, Any]) -> tuple[float, int | None]:
    """The median in ms at the longest timed length, and this length in word pieces.

    Results from before lengths were timed separately have a single median and no length: None.
    """
    if "median" in latency:
        return latency["median"], None
    length = max(map(int, latency))
    return latency[str(length)]["median"], length


def _training(found: Mapping[str, Any]) -> str:
    """Fine-tuning speed of this and other implementations."""
    rows = []
    ours = found["subjects"][0]["summary"]["median"]
    for subject in found["subjects"]:
        median = subject["summary"]["median"]
        firsts = sorted(one["first_step_seconds"] for one in subject["rounds"] if one.get("first_step_seconds"))
        first = f"{firsts[len(firsts) // 2]:.1f} s" if firsts else "-"
        rows.append((subject["name"], f"{1 / median:.2f}", first, f"{median / ours:.2f}"))
    return _table(("", "steps per second", "first step", "time per step, ours = 1"), rows)


def _transfer(found: Mapping[str, Any]) -> str:
    """Stages of transfer, this project's first, then those of a peer."""
    rows = []
    for subject in found["subjects"]:
        first, most = transfer.first_step(subject), transfer.peak(subject)
        cells = (
            f"{1 / subject['summary']['median']:.2f}",
            f"{first:.1f} s" if first else "-",
            f"{most / 1024:.1f} GiB" if most else "-",
            f"{1 / subject['ratio']['median']:.2f}" if "ratio" in subject else "",
        )
        rows.append((subject["name"], *cells))
    return _table(("", "steps per second", "first step", "peak memory", "speed, tf-models = 1"), rows)


def _conversion(found: Mapping[str, Any]) -> str:
    """Time and memory of conversions."""
    rows = []
    for subject in found["subjects"]:
        peak = max(one["peak_memory_mib"] for one in subject["rounds"])
        rows.append((subject["name"], f"{subject['summary']['median']:.1f} s", f"{peak:.0f} MiB"))
    return _table(("", "time", "peak memory"), rows)


def _tasks(found: Mapping[str, Any]) -> str:
    """Times of the work around the network, each below that of its baseline."""
    subjects = found["subjects"]
    rows = []
    for plain, ours in zip(subjects[::2], subjects[1::2], strict=True):
        rows.append((plain["name"], f"{plain['summary']['median']:.1f} s", ""))
        ratio = plain["summary"]["median"] / ours["summary"]["median"]
        rows.append((ours["name"], f"{ours['summary']['median']:.1f} s", f"{ratio:.1f} times as fast"))
    return _table(("", "time", "speed"), rows)


def _records(found: Mapping[str, Any]) -> str:
    """Speed of making records per core."""
    rows = []
    for r in rates(found):
        records = f"{r.records_per_core:,.0f}" if r.records_per_core else ""
        rows.append((r.name, records, f"{r.pieces_per_core:,.0f}", f"{r.share:.0%}"))
    return _table(("a second of processor time", "records", "word pieces of the text", "tokenizer = 100%"), rows)


def _host(found: Mapping[str, Any]) -> str:
    """Latency of this project's and other implementations' files."""
    rows = []
    for subject in found["subjects"]:
        median, ratio = subject["summary"]["median"], subject["ratio"]
        spread = f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
        rows.append((f"`{subject['name']}`", f"{subject['bytes'] / 1e6:.1f} MB", f"{median:.1f} ms", spread))
    baseline = found["subjects"][0]["ratio"]["baseline"]
    return _table(("", "size", "latency", f"ratio to `{baseline}`, spread over rounds"), rows)


def _instructions(found: Mapping[str, Any]) -> str:
    """Instructions of this project's and other implementations' files."""
    rows = [
        (f"`{one['name']}`", f"{one['summary']['median']:.0f} million", f"{one['ratio']['median']:.2f}")
        for one in found["subjects"]
    ]
    baseline = found["subjects"][0]["ratio"]["baseline"]
    return _table(("", "instructions", f"ratio to `{baseline}`"), rows)


def _kernels(found: Mapping[str, Any]) -> str:
    """Time by purpose of the runtime's functions, one column per file."""
    subjects = found["subjects"]
    medians = [one["summary"]["median"] for one in subjects]
    columns = [kernels.families(one["shares"]) for one in subjects]
    rows = [
        (name, *(f"{share[name] * ms:.2f} ms" for share, ms in zip(columns, medians, strict=True)))
        for name in columns[0]
    ]
    rows.append(("all", *(f"{ms:.2f} ms" for ms in medians)))
    return _table(("", *(f"`{one['name']}`" for one in subjects)), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines: list[tuple[str, ...]] = [head, ("---", *("---:" for _ in head[1:])), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _strategies(found: Mapping[str, Any]) -> str:
    """Strategies of transfer, with means over seeds."""
    settings, machine = found["settings"], found["made_by"]["machine"]
    steps = settings["layers"] * settings["transfer_steps"] + settings["distillation_steps"]
    note = (
        f"Mean ± standard deviation over {settings['seeds']} seeds, {steps:,} updates of {settings['batch_size']} "
        f"examples each; {machine['cores']} cores."
    )
    return _table(strategies.HEAD, strategies.rows(found)) + "\n\n" + note


def _study(found: Mapping[str, Any]) -> str:
    """Variants of a study, with medians over runs."""
    settings, machine = found["settings"], found["made_by"]["machine"]
    others = study_table.published_rows(found)
    table = _table(study_table.head(found), [*study_table.rows(found), *others])
    notes = []
    if any(len(subject["rounds"]) > 1 for subject in found["subjects"]):
        notes.append(
            "Medians; ± is the 95 % interval of the mean over runs, p a paired t-test against "
            f"“{settings['baseline']}”; {machine['cores']} cores."
        )
    if others:
        notes.append("In italics: figures of other people, as they published them, not measured here.")
    return "\n\n".join([table, " ".join(notes)]) if notes else table


def _deployment(found: Mapping[str, Any]) -> str:
    """Files of several exports; empty columns are left out."""
    cells = deployment.rows(found)
    titles = deployment.head(found)
    kept = [column for column in range(len(titles)) if not column or any(row[column] for row in cells)]
    head, *rows = [tuple(row[column] for column in kept) for row in (titles, *cells)]
    return _table(head, rows) + "\n\n" + deployment.note(found)


def _defaults(found: Mapping[str, Any]) -> str:
    """Fine-tuning at the default rate and number of passes, and at others."""
    seeds = found["settings"]["seeds"]
    note = f"Accuracy on the held-out table{f', mean over {seeds} seeds' if seeds > 1 else ', one seed'}."
    return _table(defaults_table.HEAD, defaults_table.rows(found)) + "\n\n" + note


def _kotlin_tokenizer(found: Mapping[str, Any]) -> str:
    """Speed of the Kotlin tokenizer and of the `tokenizers` library."""
    return _table(kotlin_table.TOKENIZER_HEAD, kotlin_table.tokenizer_rows(found)) + "\n\n" + kotlin_table.note(found)


def _kotlin_answers(found: Mapping[str, Any]) -> str:
    """Time that an answer takes beyond the network."""
    return _table(kotlin_table.ANSWERS_HEAD, kotlin_table.answers_rows(found))


TABLES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "demo": _pipeline,
    "sst2": _pipeline,
    "defaults": _defaults,
    "few": _study,
    "full": _study,
    "downstream": _study,
    "pairs": _study,
    "deployment": _deployment,
    "similarity": _study,
    "real_teacher": _study,
    "teacher": _study,
    "layers": _study,
    "strategies": _strategies,
    "records": _records,
    "tasks": _tasks,
    "training": _training,
    "aware": _training,
    "transfer": _transfer,
    "conversion": _conversion,
    "host": _host,
    "instructions": _instructions,
    "texts-host": _host,
    "texts-instructions": _instructions,
    "long-host": _host,
    "long-instructions": _instructions,
    "mini-instructions": _instructions,
    "kernels": _kernels,
    "peers": peers.markdown,
    "memory": memory.markdown,
    "paper": paper.table,
    "kotlin-tokenizer": _kotlin_tokenizer,
    "kotlin-answers": _kotlin_answers,
}


def main(paths: Sequence[str]) -> None:
    here = Path(__file__).parent
    for page in map(Path, paths):
        atomic.write_text(page, fill(page.read_text(encoding="utf-8"), here / "results"))
    draw(here / "results", here / PICTURES)


if __name__ == "__main__":
    main(sys.argv[1:])
