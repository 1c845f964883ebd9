"""The commands by name, and a command line as the values of a command's flags."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import define_flags, from_flags

# In the order of a model's life. The second text is shown in the list of commands.
COMMANDS = {
    "pipeline": ("mobilebert_tf.commands.pipeline:Pipeline", "one flag file -> all steps below, up to the report"),
    "corpus": (
        "mobilebert_tf.commands.corpus:Corpus",
        "docstrings, text files or a TFDS set -> paragraphs, one per line",
    ),
    "vocab": ("mobilebert_tf.commands.vocab:Vocab", "corpus -> WordPiece vocabulary"),
    "records": ("mobilebert_tf.commands.records:Records", "corpus + vocabulary -> pretraining records (MLM + NSP)"),
    "pretrain": ("mobilebert_tf.commands.pretrain:Pretrain", "records -> teacher, or any preset, from scratch"),
    "distill": ("mobilebert_tf.commands.distill:Distill", "teacher + records -> student"),
    "finetune": ("mobilebert_tf.commands.finetune:Finetune", "model + labelled text -> fine-tuned model"),
    "prototypes": (
        "mobilebert_tf.commands.prototypes:Prototypes",
        "model + a few sentences per class -> classifier without training",
    ),
    "evaluate": ("mobilebert_tf.commands.evaluate:Evaluate", "model directory or .tflite + labelled text -> metrics"),
    "predict": ("mobilebert_tf.commands.predict:Predict", "model directory or .tflite + text -> answers"),
    "export": ("mobilebert_tf.commands.export:Export", "fine-tuned model -> verified .tflite variants"),
    "export verify": (
        "mobilebert_tf.commands.export_verify:ExportVerify",
        "is an export directory, or a copy of one, unchanged?",
    ),
    "convert": (
        "mobilebert_tf.commands.convert:Convert",
        "TF1, Hugging Face or own checkpoint -> another of these formats",
    ),
    "model info": ("mobilebert_tf.commands.convert:ModelInfo", "what a checkpoint holds and what it costs"),
    "benchmark host": (
        "mobilebert_tf.commands.benchmark_host:BenchmarkHost",
        "latency of .tflite files on this machine",
    ),
    "benchmark android": (
        "mobilebert_tf.commands.benchmark_android:BenchmarkAndroid",
        "latency of .tflite files on a phone, over adb",
    ),
    "benchmark instructions": (
        "mobilebert_tf.commands.benchmark_instructions:BenchmarkInstructions",
        "instructions of .tflite files on an emulated processor",
    ),
    "benchmark kernels": (
        "mobilebert_tf.commands.benchmark_files:BenchmarkKernels",
        "where the time of .tflite files goes, by functions of the runtime",
    ),
    "benchmark report": (
        "mobilebert_tf.commands.benchmark_report:BenchmarkReport",
        "results of benchmarks -> tables and pictures, one column per place",
    ),
    "benchmark records": (
        "mobilebert_tf.commands.benchmark_speed:BenchmarkRecords",
        "speed of `records` and its tokenizer",
    ),
    "benchmark training": (
        "mobilebert_tf.commands.benchmark_speed:BenchmarkTraining",
        "steps per second of fine-tuning",
    ),
    "benchmark transfer": (
        "mobilebert_tf.commands.benchmark_speed:BenchmarkTransfer",
        "steps per second of the stages of transfer",
    ),
    "benchmark baseline": (
        "mobilebert_tf.commands.benchmark_baseline:BenchmarkBaseline",
        "tf-idf or static vectors with logistic regression: what a classifier has to beat",
    ),
    "benchmark tasks": (
        "mobilebert_tf.commands.benchmark_tasks:BenchmarkTasks",
        "features of questions, scoring and fine-tuning beside their plain forms",
    ),
    "benchmark paper": (
        "mobilebert_tf.commands.benchmark_paper:BenchmarkPaper",
        "networks of the MobileBERT paper: what they cost here, beside what the paper says",
    ),
    "benchmark peers": (
        "mobilebert_tf.commands.benchmark_peers:BenchmarkPeers",
        "this project beside its rivals, each made and run in its own environment",
    ),
    "benchmark memory": (
        "mobilebert_tf.commands.benchmark_memory:BenchmarkMemory",
        "memory of one, three and six lengths, with and without a weight cache",
    ),
    "benchmark conversion": (
        "mobilebert_tf.commands.benchmark_speed:BenchmarkConversion",
        "seconds and memory of `convert`",
    ),
    "benchmark strategies": (
        "mobilebert_tf.commands.benchmark_strategies:BenchmarkStrategies",
        "no, auxiliary, joint and progressive transfer at equal steps",
    ),
    "benchmark deployment": (
        "mobilebert_tf.commands.benchmark_deployment:BenchmarkDeployment",
        "exports of several models: what each of their files scores, weighs and costs",
    ),
    "benchmark study": (
        "mobilebert_tf.commands.benchmark_study:BenchmarkStudy",
        "variants of a chain of commands, over seeds",
    ),
    "report": ("mobilebert_tf.commands.report:Report", "any of these directories -> one HTML page"),
}


def command_name(words: list[str]) -> tuple[str, list[str]]:
    """The name of the command, which has one word, or two in a group; and the words after it."""
    if len(words) > 1 and " ".join(words[:2]) in COMMANDS:
        return " ".join(words[:2]), words[2:]
    return words[0], words[1:]


def check(words: Sequence[str]) -> None:
    """Raise UsageError if a command line names no command, or flags or values that the command does not take."""
    name, rest = command_name(list(words))
    if name not in COMMANDS:
        raise UsageError(f"there is no command `{name}`; `mobilebert-tf --help` lists them")
    command = command_class(name)
    from_flags(command, values_of(name, command, rest))


def command_class(name: str) -> Any:
    """The dataclass of a command."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    return getattr(importlib.import_module(module), attribute)


def values_of(name: str, command: Any, rest: Sequence[str]) -> flags.FlagValues:
    """The flags of a command with their values. Raises UsageError, which names the line of a flag file."""
    values = define_flags(command)
    in_files = _lines([word.partition("=")[2] for word in rest if word.startswith("--flagfile=")])
    try:
        remaining = values([name, *rest])[1:]
    except flags.CantOpenFlagFileError as error:
        raise UsageError(f"--flagfile: {_why_unread(error.__context__)}") from None
    except flags.Error as error:
        said = _in_plain_words(error)
        flag = re.search(r"--(\w+)", said)
        place = _place(in_files, rf"--(no)?{flag[1]}\b") if flag else ""
        raise UsageError(f"{place}{said}; `mobilebert-tf {name} --help` lists the flags") from None
    except UnicodeDecodeError:
        raise UsageError("--flagfile: is not UTF-8 text; write one --name=value per line") from None
    if len(remaining) == 1 and hasattr(command, "POSITIONAL"):
        values[command.POSITIONAL].value = remaining.pop()
    if remaining:
        place = _place(in_files, re.escape(remaining[0]))
        raise UsageError(f"{place}{remaining[0]!r} is not a flag; flags look like --name=value")
    return values


_Line = tuple[str, int, str]
"""Flag file, number of a line in it, and the line."""


def _lines(paths: Sequence[str], above: tuple[str, ...] = ()) -> list[_Line]:
    """The lines of flag files and of those that they name. Raises UsageError: a file is not text, or includes itself.

    absl would leave out one that includes itself, and the command would run with its defaults.
    """
    lines: list[_Line] = []
    for path in paths:
        if path in above:
            raise UsageError(f"--flagfile={path}: includes itself")
        if not Path(path).is_file():
            continue  # a pipe can be read only once, by absl, which also says that a file is not there
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError:
            continue  # absl says why
        except ValueError:
            raise UsageError(f"--flagfile={path}: is not UTF-8 text; write one --name=value per line") from None
        if text.startswith("\ufeff"):
            raise UsageError(f"--flagfile={path}: begins with a byte order mark; save it as UTF-8 without one")
        for number, line in enumerate(text.splitlines(), start=1):
            lines.append((path, number, line))
            if line.startswith("--flagfile="):
                lines += _lines([line.partition("=")[2]], (*above, path))
    return lines


def _place(lines: Sequence[_Line], pattern: str) -> str:
    """The first of the lines that begins with a pattern, as a message begins; empty: none does."""
    return next((f"{path}, line {number}: " for path, number, line in lines if re.match(pattern, line)), "")


def _why_unread(error: BaseException | None) -> str:
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else f"cannot be read ({error})"


_VALUE_FAULTS = (
    (r"\('Non-boolean argument to boolean flag', .*\)", "is neither true nor false"),
    (r"invalid literal for int\(\) with base 10: .*", "is not a whole number"),
    (r"could not convert string to float: .*", "is not a number"),
    (r"^Unknown command line flag '(.*?)'", r"there is no flag --\1"),
    (r"\. Did you mean: (.*) \?$", r" (did you mean \1?)"),
)
"""Patterns of what Python and absl say of a flag or its value, each with the words that are shown for it."""


def _in_plain_words(error: flags.Error) -> str:
    said = str(error)
    for pattern, words in _VALUE_FAULTS:
        said = re.sub(pattern, words, said)
    return said
