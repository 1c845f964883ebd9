"""The results in sentences: the meaning of the numbers, and its limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mobilebert_tf.exported import Variant
from mobilebert_tf.reporting import scores, shipping
from mobilebert_tf.reporting.numbers import count, megabytes, milliseconds, percent
from mobilebert_tf.reporting.results import Classifier, Exported, Family, Results


def headline(results: Results) -> str:
    """One sentence for the top of the page, from the furthest stage that has results."""
    if any(export.variants for export in results.exports):
        return files_headline(results.exports)
    if sentences := _of_families(results, _accuracies):
        return sentences
    for kind, trainings in (("student", results.students), ("teacher", results.teachers)):
        for training in trainings:
            if "masked_word_accuracy" in training.held_out:
                share = percent(training.held_out["masked_word_accuracy"])
                name = f"{training.run.name}: " if len(trainings) > 1 else ""
                return f"{name}The {kind} guesses {share} of the masked words in held-out text."
    done = sum(run.finished for run in results.runs)
    return f"{done} of {len(results.runs)} runs are finished; there are no scores yet."


def _of_families(results: Results, say: Callable[[Family], str]) -> str:
    """The sentences of `say` for each family of classifiers, with its name where there are several."""
    sentences = [(family.name, words) for family in results.families if (words := say(family))]
    return " ".join(f"{name}: {words}" if name else words for name, words in sentences)


def _accuracies(family: Family) -> str:
    scratch, transferred = family.first(from_scratch=True), family.first(from_scratch=False)
    if transferred and scratch:
        return f"Transfer: {_accuracy(transferred)}; the same student from scratch: {_accuracy(scratch)}."
    for classifier in (transferred, scratch, family.first(from_scratch=False, pretrained=True)):
        if classifier:
            return f"The classifier is right on {_accuracy(classifier)} of the held-out examples."
    return ""


def transfer_verdict(results: Results) -> str:
    """Sentences on the gain by transfer, and on whether the difference may be chance."""
    return _of_families(results, _verdict)


def _verdict(family: Family) -> str:
    scratch, transferred = family.first(from_scratch=True), family.first(from_scratch=False)
    if not scratch or not transferred or not scratch.score or not transferred.score:
        return ""
    before, after = scratch.score.accuracy, transferred.score.accuracy
    if before is None or after is None:
        return ""
    # Computed from the rounded figures, so that a reader who subtracts them gets the same.
    points = round(100 * after, 1) - round(100 * before, 1)
    intervals = scores.wilson(scratch.score), scores.wilson(transferred.score)
    if abs(points) < 0.05:
        verdict = "Transfer made no difference"
    else:
        verdict = f"Transfer {'gained' if points > 0 else 'lost'} {abs(points):.1f} percentage points"
    verdict += f": {percent(after)} against {percent(before)} for the same student fine-tuned from random weights."
    majority = transferred.score.majority_accuracy
    if majority is not None and after <= majority:
        verdict += f" Always naming the most frequent class would be right on {percent(majority)}."
    if intervals[0] and intervals[1]:
        apart = max(intervals[0][0], intervals[1][0]) > min(intervals[0][1], intervals[1][1])
        verdict += (
            " The 95 % intervals lie apart."
            if apart
            else " The 95 % intervals overlap, so a difference of this size may be chance."
        )
    return verdict


def files_headline(exports: Sequence[Exported]) -> str:
    """A sentence about the file to ship; of several exports one each, with the name of the export."""
    sentences = [(export.run.name, _file(shipping.general(export))) for export in exports]
    return " ".join(f"{name}: {words}" if len(exports) > 1 else words for name, words in sentences)


def _file(variant: Variant | None) -> str:
    if variant is None:
        return "No exported file passed its checks."
    parts = []
    if variant.score and variant.score.accuracy is not None:
        parts.append(f"is right on {percent(variant.score.accuracy)} of the held-out examples")
    elif variant.score and variant.score.primary is not None:
        article = "an" if variant.score.name.startswith(("F", "a")) else "a"
        parts.append(f"has {article} {variant.score.name} of {percent(variant.score.primary)} on the held-out examples")
    if variant.latency_ms and (median := variant.median(length := max(variant.latency_ms))) is not None:
        parts.append(f"answers {length} word pieces in {milliseconds(median)} on this machine")
    return f"A verified {megabytes(variant.bytes)} file {' and '.join(parts) or 'is there'}."


def files_limits(exports: Sequence[Exported]) -> list[str]:
    """Warnings of conclusions that the figures of the files do not support."""
    variants = [variant for export in exports for variant in export.variants]
    if any(v.latency_ms for v in variants):
        return [
            "Latency was measured on the machine that made the files, never on a phone. "
            "A phone has another processor, so neither the times nor their order need to be the same there.",
            "Energy, memory use and the time of a first, cold run were not measured.",
        ]
    return ["Latency was not measured, neither here nor on a phone."] if variants else []


def limits(results: Results) -> list[str]:
    """Warnings of conclusions that the page does not support."""
    lines = files_limits(results.exports)
    if any(c.score for c in results.classifiers):
        examples = {c.score.examples for c in results.classifiers if c.score}
        size = f"{count(examples.pop())} held-out examples" if len(examples) == 1 else "its held-out examples"
        lines.append(
            f"Each score is of one training run on {size}. The intervals cover the choice of those examples, "
            "not the luck of another random seed."
        )
    if results.students:
        lines.append("Attention maps show one sentence; the curves of training average over its text.")
    return lines


def _accuracy(classifier: Classifier) -> str:
    return percent(classifier.score.accuracy if classifier.score else None)
