"""Recommendations: the file of an export to ship in each case, with reasons."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mobilebert_tf.benchmarks.stats import DECIDING_ROUNDS, Ratio
from mobilebert_tf.benchmarks.verdict import BUSY
from mobilebert_tf.exported import Variant
from mobilebert_tf.litert.half import HALF_LARGEST
from mobilebert_tf.litert.products import INTEGER
from mobilebert_tf.reporting.numbers import megabytes, milliseconds, percent, points, significant
from mobilebert_tf.reporting.results import Exported
from mobilebert_tf.reporting.speed import ALIKE, Fastest, compare, distance, error, fastest, least_instructions

ARM = ("aarch64", "arm64")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """One file for one case, in words."""

    case: str
    variant: Variant
    why: str
    """Sentences on what the file is best at."""
    facts: str
    """Further figures to know before shipping the file."""


def general(export: Exported) -> Variant | None:
    """The file for users who do not want to choose: the one with the fewest instructions on a phone's processor for
    long texts; without estimates the fastest on this machine, else the smallest.

    A file for a single use, such as MediaPipe's, is returned only if there is no other. None: no file passed.
    """
    lengths, pool = export.timed_lengths, export.general or export.passed
    if least := least_instructions(pool):
        return least.variant
    fast = fastest(pool, lengths[-1]) if lengths else None
    return fast.variant if fast else _smallest(pool)


def choices(export: Exported) -> tuple[Choice, ...]:
    """A choice for each case that the figures can decide; empty if no file passed."""
    passed = export.general
    chosen: list[Choice | None] = []
    if len(passed) == 1:
        tried = sum(variant.target == passed[0].target for variant in export.variants)
        why = f"The only one of {tried} files that passed." if tried > 1 else "It passed all checks."
        chosen.append(Choice(case="For every purpose", variant=passed[0], why=why, facts=_facts(passed[0])))
    elif passed:
        chosen += [_phone(passed), *_speed(export), _size(passed), _fidelity(export), *_old_runtimes(export)]
    chosen += [
        Choice(case=case, variant=variant, why=why, facts=_facts(variant))
        for variant in export.passed
        for target, case, why in _SINGLE_USES
        if variant.target == target
    ]
    return tuple(choice for choice in chosen if choice)


_SINGLE_USES = (
    (
        "mediapipe",
        "For MediaPipe's TextClassifier or TextEmbedder",
        "It gives probabilities or a vector, and vocabulary and labels are inside. MediaPipe's own tokenizer keeps "
        "accents, control characters and white space beyond ASCII, so texts with these get different answers there.",
    ),
    (
        "gpu",
        "For a GPU delegate",
        "By the rules in the source of TensorFlow Lite's delegate, all but the lookups run there in one piece. It was "
        "not run on a GPU: neither its answers nor its speed there are known.",
    ),
)
"""Target, case and explanation of files that are for a single use."""


def rejections(export: Exported) -> tuple[tuple[Variant, str], ...]:
    """Every recipe without a file to ship, with the reason, and its advantages that are lost."""
    smallest = _smallest(export.passed)
    rejected = []
    for variant in export.variants:
        if variant in export.passed:
            continue
        why = variant.reason or "the report gives no reason"
        advantages = []
        length = export.timed_lengths[-1] if export.timed_lengths else 0
        ratios = [compare(variant, other, length) for other in export.passed if other.median(length) is not None]
        if ratios and all(ratio and ratio.is_faster for ratio in ratios):
            advantages.append(f"faster ({milliseconds(variant.median(length))} for {length} word pieces)")
        if variant.bytes is not None and smallest and smallest.bytes is not None and variant.bytes < smallest.bytes:
            advantages.append(f"smaller ({megabytes(variant.bytes)})")
        # The advantages of a file whose outputs are NaN do not count.
        if advantages and "max_relative_error" in variant.parity:
            why += f"; it would be {' and '.join(advantages)} than any file that passed"
        rejected.append((variant, why))
    return tuple(rejected)


def _tried_in_half(export: Exported, variants: Sequence[Variant]) -> str:
    """The results of the trial in float16 on this machine, as a sentence to append; empty: there was no trial."""
    results = [f"{v.file} {_in_half(export, v)}" for v in variants if v.half_parity]
    if not results:
        return ""
    return f" Tried here in float16, against Keras at {max(export.sequence_lengths)} word pieces: {'; '.join(results)}."


def _in_half(export: Exported, variant: Variant) -> str:
    same, error = variant.half_parity["decision_agreement"], variant.half_parity["max_relative_error"]
    return f"{export.task.agreement} {percent(same)}, largest error {significant(error)}"


def cautions(export: Exported) -> tuple[str, ...]:
    """Cautions about the files that passed: facts that the figures of this machine do not show."""
    lines = []
    if half := [v.file for v in export.passed if v.half]:
        one = len(half) == 1
        line = (
            f"ARM processors with float16 arithmetic compute the float parts of {_names(half)} in float16. "
            f"{'Its' if one else 'Their'} answers and times there are not those of this page"
        )
        where = str((export.run.made_by.get("machine") or {}).get("processor") or "")
        if where in ARM:
            line += f", unless such a processor made it (this one is {where})"
        else:
            line += ": the machine that was measured on computes them in float32"
        lines.append(line + "." + _tried_in_half(export, [v for v in export.passed if v.half]))
    for v in export.passed:
        if v.half_parity and not v.half:
            lines.append(
                f"In float16, tried here, {v.file} would be too far from Keras ({_in_half(export, v)}), so it does not "
                "allow that: ARM processors compute its float parts in float32."
            )
    largest = export.largest_activation
    if largest is not None and largest > HALF_LARGEST and any(v.target == "gpu" for v in export.passed):
        lines.append(
            f"Values inside this network reach {largest:.3g}, near the end of float16 or beyond it. Let the GPU "
            "delegate compute in float32: do not allow precision loss."
        )
    better = [v for v in export.passed if v.difference and v.difference.low > 0]
    if better:
        gains = _names([f"{v.file} ({points(v.difference.score)} points)" for v in better if v.difference])
        lines.append(
            f"{gains} {'scores' if len(better) == 1 else 'score'} higher than Keras by more than the 95\u00a0% "
            "interval. With several files compared, this may be chance, so it decides nothing here."
        )
    if export.passed and not any(v.score for v in export.passed):
        lines.append(
            "There were no labelled examples (--evaluation), so no file has a score; they were checked only for parity."
        )
    busy = max((one.foreign_cores for v in export.passed for one in v.latency_ms.values()), default=0.0)
    if busy >= BUSY:
        lines.append(
            f"Other programs took up to {busy:.1f} cores of this machine while the files were timed. The milliseconds "
            "may therefore be too high; which file is faster was decided by ratios of times from the same round."
        )
    if export.passed and not export.timed_lengths:
        lines.append("Latency was not measured, so nothing here says which file is fastest.")
    return tuple(lines)


def _phone(passed: Sequence[Variant]) -> Choice | None:
    """The choice by instructions, since milliseconds on the exporting machine say nothing about a phone's processor."""
    least = least_instructions(passed)
    if least is None:
        return None
    count = least.variant.instructions[least.length]
    why = (
        f"{count:,.0f} million instructions of a Cortex-A76 for {least.length} word pieces, estimated from the file's "
        "operators"
    )
    if least.alike:
        names = _names([v.file for v in least.alike])
        why += f". Estimates do not tell it apart from {names}: they lie within {percent(ALIKE)}. So size decides"
    elif least.next:
        ratio = least.next.instructions[least.length] / count
        why += (
            f", the fewest of the {len(passed)} files that passed. The next, {least.next.file}, has {ratio:.2f} times"
        )
        why += " as many"
    why += ". The command benchmark instructions counts them, benchmark android times a phone."
    return Choice(
        case="For a phone's processor", variant=least.variant, why=why, facts=_facts(least.variant, time=False)
    )


def _speed(export: Exported) -> list[Choice]:
    """One choice if the same file is fastest at all lengths, else one for each file that is fastest at some length."""
    winners: dict[str, list[Fastest]] = {}
    for length in export.timed_lengths:
        if first := fastest(export.general, length):
            winners.setdefault(first.variant.name, []).append(first)
    choices = []
    for wins in winners.values():
        variant, lengths = wins[0].variant, [one.length for one in wins]
        why = f"{_names([f'{milliseconds(variant.median(n))} for {n}' for n in lengths])} word pieces"
        if any(one.alike for one in wins):
            why += f". {_undecided(wins)}"
        elif following := wins[-1].next:
            why += f", the least of the {len(export.general)} files that passed. {_ahead(wins[-1], following)}"
        else:
            why += "; no other file was timed."
        where = "" if len(winners) == 1 else f" at {_lengths(lengths)} word pieces"
        facts = _facts(variant, time=False)
        speed = "For speed on a server" if least_instructions(export.general) else "For speed"
        choices.append(Choice(case=f"{speed}{where}", variant=variant, why=why, facts=facts))
    return choices


def _ahead(found: Fastest, following: Variant) -> str:
    """A sentence on the lead of the fastest file over the next one."""
    times = compare(following, found.variant, found.length)
    assert times, "it is the fastest by their rounds"
    return f"The next, {following.file}, takes {_times(times, found.length)}."


def _undecided(found: Sequence[Fastest]) -> str:
    """Sentences on a choice by operations and bytes, where times did not decide."""
    others: dict[str, tuple[Variant, list[int]]] = {}
    for one in found:
        for variant in one.alike:
            others.setdefault(variant.file, (variant, []))[1].append(one.length)
    last, lengths = found[-1], [one.length for one in found]
    names = _names([file + ("" if at == lengths else f" (at {_lengths(at)})") for file, (_, at) in others.items()])
    if any(one.few_rounds for one in found):
        text = f"Times of fewer than {DECIDING_ROUNDS} rounds (--rounds) do not tell it apart from {names}"
    else:
        text = f"Its times do not tell it apart from {names}"
        if last.alike and (times := compare(last.alike[0], last.variant, last.length)):
            text += f": {last.alike[0].file} takes {_times(times, last.length)}"
    others_work = "; ".join(f"{file} has {_work(variant)}" for file, (variant, _) in others.items())
    return f"{text}. So operations and size decide: it has {_work(last.variant)}; {others_work}."


def _times(times: Ratio, length: int) -> str:
    """The ratio of two files' latencies with its interval, in words."""
    text = f"{times.median:.2f} times as long for {length}"
    if times.low is None or times.high is None:
        return text
    return f"{text} (95\u00a0% interval {times.low:.2f} to {times.high:.2f}, round by round)"


def _work(variant: Variant) -> str:
    """The bytes and products of a file, in words."""
    size, products = megabytes(variant.bytes), sum(variant.multiply_adds.values())
    if not products:
        return size
    floats = "float16 on ARM" if variant.half else "float32"
    share = variant.multiply_adds.get(INTEGER, 0) / products
    kinds = f"all products in {floats}" if not share else f"{percent(share)} of its products in integers"
    return f"{size} and {kinds}"


def _size(passed: Sequence[Variant]) -> Choice | None:
    variant = _smallest(passed)
    if not variant:
        return None
    why = f"{megabytes(variant.bytes)}, the least of the {len(passed)} files that passed."
    return Choice(case="For a small app", variant=variant, why=why, facts=_facts(variant, size=False))


def _fidelity(export: Exported) -> Choice | None:
    """The choice closest to Keras; not by the score, whose differences between files are mostly chance."""
    compared = [v for v in export.general if "decision_agreement" in v.parity]
    if not compared:
        return None
    # Of equal files, take one that computes on every processor as it did here.
    variant = min(compared, key=lambda v: (-v.parity["decision_agreement"], v.half, error(v), v.bytes or 0))
    agreement = variant.parity["decision_agreement"]
    alike = [v for v in compared if v is not variant and v.parity["decision_agreement"] == agreement]
    why = (
        f"It decides as Keras does in {percent(agreement)} of the compared examples, the most of the files that passed."
    )
    if export.task.agreement != "same decision":
        why = f"Of the files that passed it answers most like Keras: {export.task.agreement} {percent(agreement)}."
    rounded = [v.file for v in alike if v.half and not variant.half]
    farther = [v.file for v in alike if v.half == variant.half]
    if rounded:
        why += f" So {_do(rounded)}, but {_be(rounded)} computed in float16 on some phones."
    if farther:
        why += f" So {_do(farther)}, with logits that are not as close."
    return Choice(case="For answers closest to Keras", variant=variant, why=why, facts=_facts(variant))


def _old_runtimes(export: Exported) -> list[Choice]:
    """The best file for runtimes that refuse the previous one, from the general choice down to the oldest runtime."""
    chosen: list[Choice] = []
    current, pool = general(export), list(export.general)
    lengths = export.timed_lengths
    while current and current.oldest_runtime:
        limit = current.oldest_runtime
        pool = [v for v in pool if v.oldest_runtime and _version(v.oldest_runtime) < _version(limit)]
        fast = fastest(pool, lengths[-1]) if lengths else None
        current = fast.variant if fast else _smallest(pool)
        if current:
            kind = "smallest" if not fast else "fastest" if not fast.alike else "least in operations and size"
            why = f"The {kind} of the files that passed and do not need {limit}."
            case = f"For TensorFlow Lite before {limit}"
            chosen.append(Choice(case=case, variant=current, why=why, facts=_facts(current)))
    return chosen


def _smallest(variants: Sequence[Variant]) -> Variant | None:
    sized = [v for v in variants if v.bytes is not None]
    return min(sized, key=lambda v: (v.bytes or 0, *distance(v)), default=None)


def _version(runtime: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in runtime.split("."))


def _facts(variant: Variant, *, size: bool = True, time: bool = True) -> str:
    """The main figures of a file, in one line."""
    parts = [megabytes(variant.bytes)] if size and variant.bytes is not None else []
    if time and variant.latency_ms:
        length = max(variant.latency_ms)
        if (median := variant.median(length)) is not None:
            parts.append(f"{milliseconds(median)} for {length} word pieces")
    if variant.score and variant.score.primary is not None:
        parts.append(f"{variant.score.name} {percent(variant.score.primary)}")
        if difference := variant.difference:
            parts[-1] += (
                f", {points(difference.score)} points against Keras "
                f"(95\u00a0% interval {points(difference.low)} to {points(difference.high)})"
            )
    if variant.one_graph:
        parts.append("one graph for all lengths, which apps resize")
    if variant.oldest_runtime:
        parts.append(f"TensorFlow Lite {variant.oldest_runtime} or later")
    return "; ".join(parts)


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _lengths(lengths: Sequence[int]) -> str:
    return _names([str(length) for length in lengths])


def _do(names: Sequence[str]) -> str:
    return f"{'does' if len(names) == 1 else 'do'} {_names(names)}"


def _be(names: Sequence[str]) -> str:
    return "it is" if len(names) == 1 else "they are"
