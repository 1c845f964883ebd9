"""`mobilebert-tf COMMAND --flags`: find the command, read its flags, run it, exit with its status.

Exit status: 0 done, 1 failed, 2 wrong usage or input.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import errno
import importlib
import inspect
import os
import re
import sys
import textwrap
import traceback
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

from absl import flags

import mobilebert_tf
from mobilebert_tf import notes, quiet, streams
from mobilebert_tf.errors import FailedError, UsageError, first_line
from mobilebert_tf.options import define_flags, from_flags
from mobilebert_tf.run_directory import is_text
from mobilebert_tf.training import stopping

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


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command line and exit with its status."""
    if not streams.prepare():
        sys.exit(_complain("standard output is closed; give it a file, or /dev/null", 1))
    # Keras would read the user's settings there, some of which make its import fail, or write a file if there is none.
    os.environ["KERAS_HOME"] = os.devnull
    status = 0
    try:
        status = run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except BrokenPipeError:
        # The program that reads the output, such as `head`, has closed it.
        streams.drop_output()
        status = 1
    except OSError as error:
        # From output that is printed outside of a command or was still buffered; `run` reports a command's own errors.
        streams.drop_output()
        status = status or _complain(f"standard output: {error.strerror or error}", 1)
    sys.exit(status)


def run(words: list[str]) -> int:
    """Run one command line; return its exit status."""
    notes.start()
    if words[:1] == ["--version"]:
        print(f"mobilebert-tf {mobilebert_tf.__version__}")
        return 0
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    undecodable = next((word for word in words if not is_text(word)), None)
    if undecodable is not None:
        return _complain(f"the argument {os.fsencode(undecodable)!r} {_why_no_text(os.fsencode(undecodable))}", 2)
    if not words or words[0] in ("--help", "-h"):
        print(_overview(COMMANDS))
        return 0 if words else 2
    name, rest = _command_name(words)
    group = [command for command in COMMANDS if command.startswith(f"{name} ")]
    if group and name not in COMMANDS and (not rest or rest[0] in ("--help", "-h")):
        print(_overview(group))
        return 0 if rest else 2
    if name not in COMMANDS:
        if group:
            return _complain(f"there is no command `{name} {rest[0]}`; `mobilebert-tf {name} --help` lists them", 2)
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "`mobilebert-tf --help` lists them"
        return _complain(f"there is no command `{name}`; {hint}", 2)
    if "TF_CONFIG" in os.environ:
        stopping.hold_back()
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(importlib.import_module(module), attribute)
    if "--help" in rest or "-h" in rest:
        print(_help(name, command))
        return 0
    values = define_flags(command)
    try:
        remaining = values([name, *rest])[1:]
    except flags.CantOpenFlagFileError as error:
        return _complain(f"{name}: --flagfile: {_why_unread(error.__context__)}", 2)
    except flags.Error as error:
        return _complain(f"{name}: {_in_plain_words(error)}; `mobilebert-tf {name} --help` lists the flags", 2)
    except UnicodeDecodeError:
        return _complain(f"{name}: --flagfile: is not UTF-8 text; write one --name=value per line", 2)
    if len(remaining) == 1 and hasattr(command, "POSITIONAL"):
        values[command.POSITIONAL].value = remaining.pop()
    if remaining and remaining[0].startswith("\ufeff"):
        return _complain(f"{name}: --flagfile: begins with a byte order mark; save it as UTF-8 without one", 2)
    if remaining:
        return _complain(f"{name}: {remaining[0]!r} is not a flag; flags look like --name=value", 2)
    if values["debug"].value:
        os.environ[quiet.DEBUG_VARIABLE] = "1"
    try:
        instance = from_flags(command, values)
        if getattr(instance, "distribution", None) != "multi_worker":
            stopping.let_through()
        with stopping.terminated_as_interrupted() if name.startswith("benchmark ") else contextlib.nullcontext():
            instance.run()
    except BaseException as error:
        if values["debug"].value:
            traceback.print_exc()
        return _status_of(name, error)
    return 0


def _why_unread(error: BaseException | None) -> str:
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else f"cannot be read ({error})"


_VALUES = (
    (r"\('Non-boolean argument to boolean flag', .*\)", "is neither true nor false"),
    (r"invalid literal for int\(\) with base 10: .*", "is not a whole number"),
    (r"could not convert string to float: .*", "is not a number"),
)
"""What Python and absl say of a flag's value, and what is shown."""


def _in_plain_words(error: flags.Error) -> str:
    said = str(error)
    for pattern, words in _VALUES:
        said = re.sub(pattern, words, said)
    return said


def _why_no_text(argument: bytes) -> str:
    try:
        argument.decode()
    except UnicodeDecodeError:
        return "is not UTF-8 text; convert the text, or rename the file"
    return f"cannot be decoded in this environment's encoding, {sys.getfilesystemencoding()}; set PYTHONUTF8=1"


def _status_of(name: str, error: BaseException) -> int:
    if isinstance(error, BrokenPipeError):
        raise error
    if isinstance(error, UsageError):
        return _complain(f"{name}: {error}", 2)
    if isinstance(error, FailedError):
        return _complain(f"{name}: {error}", 1)
    if isinstance(error, KeyboardInterrupt):
        # Benchmarks start again from the beginning; those that keep results have printed so.
        rest = "" if name.startswith("benchmark ") else "; the same command continues from what was finished"
        return _complain(f"{name}: interrupted{rest}", 1)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = error.filename or "the disk"
        return _complain(f"{name}: {place}: no space left; free some and run the same command again", 1)
    if isinstance(error, OSError) and error.filename:
        return _complain(f"{name}: {error.filename}: {error.strerror}", 2 if error.errno in _WRONG_PLACE else 1)
    if isinstance(error, OSError) and "No usable temporary directory" in str(error):
        return _complain(f"{name}: no usable directory for temporary files; set TMPDIR to a writable one", 1)
    if isinstance(error, OSError):
        return _complain(f"{name}: {error.strerror or error}; --debug shows where", 1)
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow and isinstance(error, tensorflow.errors.OpError):
        return _complain(f"{name}: {_reason(error.message)}", 1)
    if isinstance(error, Exception):
        message = first_line(error, "no message")[:300]
        return _complain(f"{name}: unexpected {type(error).__name__}: {message}; --debug shows where it comes from", 1)
    raise error


# Errors of a path that is no file or directory, or cannot be written to: the user must give another one.
_WRONG_PLACE = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)


def _reason(message: str) -> str:
    """The line of a TensorFlow error that says what went wrong, without the graphs and node names around it."""
    if "No space left" in message:
        path = re.search(r"([^\s;]+/[^\s;]+);? *No space left", message)
        return f"{path[1] if path else 'the disk'}: no space left; free some and run the same command again"
    lines = [line.strip() for line in message.splitlines()]
    messages = [
        line for line in lines if line and not line.startswith(("Graph execution", "Detected at", "File ", "[["))
    ]
    return f"TensorFlow failed: {messages[-1] if messages else 'unknown reason'}; --debug shows where"


def _complain(message: str, status: int) -> int:
    print(f"mobilebert-tf {' '.join(message.splitlines())}", file=sys.stderr)
    return status


def _command_name(words: list[str]) -> tuple[str, list[str]]:
    """The name of the command, which has one word, or two in a group; and the words after it."""
    if len(words) > 1 and " ".join(words[:2]) in COMMANDS:
        return " ".join(words[:2]), words[2:]
    return words[0], words[1:]


def _overview(names: Collection[str]) -> str:
    width = max(map(len, names))
    rows = "\n".join(f"  {name:<{width}}  {COMMANDS[name][1]}" for name in names)
    return (
        "mobilebert-tf: from raw text to a verified .tflite file.\n\n"
        f"usage: mobilebert-tf COMMAND --flags\n\n{rows}\n\n"
        "`mobilebert-tf COMMAND --help` explains one. Flags can be read from a file: --flagfile=FILE.\n"
        "Running a command again continues where it stopped (corpus, vocab, records start over) or skips what is done."
    )


def _help(name: str, command: Any) -> str:
    required_first = sorted(dataclasses.fields(command), key=lambda field: field.default is not dataclasses.MISSING)
    required = "".join(f" --{field.name}=..." for field in required_first if field.default is dataclasses.MISSING)
    usage = f"usage: mobilebert-tf {name}{required} [--flags]"
    lines = [usage, "", inspect.cleandoc(command.__doc__ or ""), "", "flags:"]
    for field in required_first:
        default = field.default
        if default is dataclasses.MISSING:
            value = " (required)"
        elif default in (None, ""):
            value = ""
        else:
            value = f" (default: {str(default).lower() if isinstance(default, bool) else default})"
        choices = field.metadata["choices"]
        form = f"--{field.name}={'|'.join(choices)}" if choices else f"--{field.name}"
        body = textwrap.fill(field.metadata["help"] + value, 100, initial_indent=" " * 6, subsequent_indent=" " * 6)
        lines += [f"  {form}", body]
    lines += ["  --flagfile", "      read flags from a file, one --name=value per line"]
    lines += ["  --debug", "      show tracebacks and what TensorFlow logs"]
    return "\n".join(lines)
