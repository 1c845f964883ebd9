"""Check that an export directory is complete, and that its files answer here as they did where they were made.

    mobilebert-tf export verify DIR
    python -m mobilebert_tf.export.ship.verify_directory DIR
    python export/ship/verify_directory.py DIR

It needs the standard library, NumPy and LiteRT (ai-edge-litert, or its predecessor tflite-runtime). The last
form needs nothing of this project except this file, with `check_contract.py` and `check_answers.py` beside it.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SCHEMA = 2
"""Version of the contract format. Fields may be added under the same number; the meaning of a field may not change.

1 had classes only; 2 says in `answer.kind` what an answer is, and has no labels where a task has none.
"""

KNOWN = (1, 2)
"""Schemas that this version can read."""

SUMS = "SHA256SUMS"
"""File with the SHA-256 of every other file, in the form of `sha256sum`; an export writes it last."""

RECORD = "run.json"
CONTRACT = ".contract.json"
"""End of a contract's file name; what precedes it is the name of the recipe."""


class NotVerifiedError(Exception):
    """A directory is not verified; the message is the reason in one line.

    `status` is the exit status: 1, or 2 if the directory is no export at all.
    """

    def __init__(self, message: str, status: int = 1):
        super().__init__(message)
        self.status = status


@dataclasses.dataclass(frozen=True)
class Finding:
    """Result of the check of one file."""

    file: str
    status: str
    """signed: unchanged and not run. right, wrong, refused, crashed: result of running it. damaged, missing, added: not
    as SHA256SUMS has it."""
    said: str
    announced: bool = False
    """Whether it was refused and its contract says that this runtime is too old."""
    ran_on: str = ""
    """The runtime, and the source of the ids."""


def verify(directory: Path, python: str = sys.executable, must_run: Sequence[str] | None = None) -> str:
    """Check every file of an export directory and print a line for each; return a summary line.

    Args:
      directory: output directory of `mobilebert-tf export`.
      python: Python interpreter whose LiteRT runs the files, each in a process of its own.
      must_run: recipes whose files have to run; others may be refused if their contracts announce it. None: all.

    Raises:
      NotVerifiedError: the directory is no finished export, or a file has changed or does not answer as it did.
    """
    findings = {finding.file: finding for finding in _compare_sums(directory)}
    if all(finding.status in ("signed", "added") for finding in findings.values()):
        contracts = [name for name in findings if name.endswith(CONTRACT)]
        _check_schemas(directory, contracts)
        if absent := [name for name in must_run or () if f"{name}{CONTRACT}" not in contracts]:
            raise NotVerifiedError(f"{directory}: has no {absent[0]}{CONTRACT}")
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for finding in pool.map(lambda name: _run(directory, name, python), contracts):
                findings[finding.file] = finding
    width = max(map(len, findings))
    for name, finding in sorted(findings.items()):
        print(f"{name:<{width}}  {finding.status:<7}  {finding.said}".rstrip(), flush=True)
    return _judge(directory, list(findings.values()), must_run)


def _judge(directory: Path, findings: Sequence[Finding], must_run: Sequence[str] | None) -> str:
    """The summary line. Raises NotVerifiedError."""
    right = [finding for finding in findings if finding.status == "right"]
    refused = [
        finding
        for finding in findings
        if finding.announced and must_run is not None and finding.file.removesuffix(".tflite") not in must_run
    ]
    bad = [one.file for one in findings if one not in right and one not in refused and one.status != "signed"]
    if bad:
        raise NotVerifiedError(f"{directory}: NOT VERIFIED, {len(bad)} of {len(findings)} files: {', '.join(bad)}")
    if not right:
        raise NotVerifiedError(f"{directory}: NOT VERIFIED, its files are unchanged, but none could be run")
    line = f"{directory}: verified, {len(findings)} files unchanged, {len(right)} with the same answers"
    if refused:
        line += f", {len(refused)} refused, as their contracts say"
    return f"{line} ({right[0].ran_on})"


def sums_text(hashes: Mapping[str, str]) -> str:
    """The content of SHA256SUMS for these SHA-256 by file name.

    The last line, which `sha256sum` takes for a comment, is the sum of the others, so that a damaged list is not
    mistaken for damaged files.
    """
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))
    return f"{lines}# sha256 of the lines above: {hashlib.sha256(lines.encode()).hexdigest()}\n"


def read_sums(directory: Path) -> dict[str, str]:
    """SHA-256 by file name, from the SHA256SUMS of a finished export."""
    pairs = re.findall(rb"^([0-9a-f]{64})  (.+)$", (directory / SUMS).read_bytes(), re.M)
    return {name.decode("utf-8", "replace"): digest.decode() for digest, name in pairs}


def _compare_sums(directory: Path) -> list[Finding]:
    """One finding for each file that exists or should exist. Raises NotVerifiedError: it is no finished export."""
    if not directory.is_dir():
        raise NotVerifiedError(f"{directory}: no such directory", 2)
    path = directory / SUMS
    if not path.exists():
        raise _without_sums(directory)
    hashes = read_sums(directory)
    if sums_text(hashes).encode() != path.read_bytes():
        return [Finding(SUMS, "damaged", "its last line is not the checksum of the others; no other file was checked")]
    files = {file.relative_to(directory).as_posix() for file in directory.rglob("*") if not file.is_dir()} - {SUMS}
    findings = [Finding(SUMS, "signed", f"{len(hashes)} files")]
    for name in sorted(files | hashes.keys()):
        if name not in hashes:
            findings.append(Finding(name, "added", f"not listed in {SUMS}"))
        elif name not in files:
            findings.append(Finding(name, "missing", f"listed in {SUMS}"))
        elif not (directory / name).is_file():
            findings.append(Finding(name, "missing", "is a broken symbolic link"))
        elif hashlib.sha256((directory / name).read_bytes()).hexdigest() != hashes[name]:
            findings.append(Finding(name, "damaged", f"its SHA-256 is not that in {SUMS}"))
        else:
            # Files that failed their gate have no contract.
            lonely = name.endswith(".tflite") and f"{name.removesuffix('.tflite')}{CONTRACT}" not in hashes
            findings.append(Finding(name, "signed", "not run, it has no contract" if lonely else ""))
    return findings


def _without_sums(directory: Path) -> NotVerifiedError:
    try:
        command = json.loads((directory / RECORD).read_bytes())["identity"]["command"]
    except OSError:
        return NotVerifiedError(f"{directory}: is not an export, it has neither {SUMS} nor {RECORD}", 2)
    except (ValueError, KeyError, TypeError):
        return NotVerifiedError(f"{directory}: has no {SUMS}, and its {RECORD} is damaged; export again")
    if command != "export":
        return NotVerifiedError(f"{directory}: holds the results of `{command}`, not of `export`", 2)
    return NotVerifiedError(f"{directory}: the export has not finished, {SUMS} is missing; give its command again")


def _check_schemas(directory: Path, names: Sequence[str]) -> None:
    for name in names:
        try:
            schema = json.loads((directory / name).read_bytes())["schema"]
        except (ValueError, KeyError, TypeError):
            raise NotVerifiedError(f"{directory / name}: is not a contract of `mobilebert-tf export`") from None
        if schema not in KNOWN:
            raise NotVerifiedError(
                f"{directory / name}: has schema {schema}, this version reads {' and '.join(map(str, KNOWN))}; "
                "verify it with the version that exported it"
            )


def _run(directory: Path, name: str, python: str) -> Finding:
    """Check one file against its contract, in a process of its own because a runtime may crash."""
    file = f"{name.removesuffix(CONTRACT)}.tflite"
    program = Path(__file__).with_name("check_contract.py").resolve()
    try:
        # The program's imports must not find this project's modules that have the same names.
        environment = {**os.environ, "PYTHONSAFEPATH": "1"}
        command = [python, str(program), str(directory), name, str(os.getpid())]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    except OSError as error:
        raise NotVerifiedError(f"{python}: cannot be started ({error.strerror})", 2) from None
    try:
        finding: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last_line = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        return Finding(file, "crashed", f"the process that ran it ended with status {done.returncode}: {last_line}")
    if "no_runtime" in finding:
        raise NotVerifiedError(f"{python}: {finding['no_runtime']}")
    return Finding(file, **finding)


def main() -> int:
    """Run the command line. Returns 0: verified, 1: not verified, 2: the directory is no export."""
    parser = argparse.ArgumentParser(description="check an export directory, and run its files")
    parser.add_argument("directory", type=Path, help="what `mobilebert-tf export` wrote")
    parser.add_argument("--must_run", help="recipes that have to run here, comma-separated; default: all")
    flags = parser.parse_args()
    try:
        print(verify(flags.directory, must_run=split(flags.must_run)))
    except NotVerifiedError as error:
        print(error, file=sys.stderr)
        return error.status
    return 0


def split(names: str | None) -> list[str] | None:
    """Split comma-separated names; None stays None."""
    return None if names is None else [name for name in names.split(",") if name]


if __name__ == "__main__":
    sys.exit(main())
