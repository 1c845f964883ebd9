"""`mobilebert-tf COMMAND --flags`: find the command, read its flags, run it, exit with its status.

Exit status: 0 done, 1 failed, 2 wrong usage or input.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import errno
import inspect
import os
import re
import sys
import textwrap
import traceback
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

import mobilebert_tf
from mobilebert_tf import notes, quiet, streams
from mobilebert_tf.command_line import COMMANDS, command_class, command_name, values_of
from mobilebert_tf.errors import FailedError, UsageError, first_line
from mobilebert_tf.options import from_flags
from mobilebert_tf.paths import is_text
from mobilebert_tf.training import stopping


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
    name, rest = command_name(words)
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
    command = command_class(name)
    if "--help" in rest or "-h" in rest:
        print(_help(name, command))
        return 0
    try:
        values = values_of(name, command, rest)
    except UsageError as error:
        return _complain(f"{name}: {error}", 2)
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
    line = f"mobilebert-tf {' '.join(message.splitlines())}"
    print(streams.shown(line, sys.stderr), file=sys.stderr)
    return status


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
