"""An output directory that one command fills, recognises later, and protects from other commands.

`run.json` is written first and names the command that works here and its options. The
same command, given again, resumes, or is skipped if the work is finished; any other one is
refused before it touches a file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import glob
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from mobilebert_tf import atomic, directory_lock, provenance
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import Count, Finite, build, read_object
from mobilebert_tf.paths import expand, names

RECORD = "run.json"

SEAL = "SHA256SUMS"
"""File that closes a directory: what is added or changed later shows as damage (`export verify`)."""

RUNS = "runs"
"""Directory of the runs of a fine-tuning with several rates and seeds, below its output."""


@dataclasses.dataclass(frozen=True)
class Identity:
    """The command in `run.json`; the options that determine the result stand beside it."""

    command: Annotated[str, msgspec.Meta(min_length=1)]


@dataclasses.dataclass(frozen=True)
class Machine:
    """The fields about the machine in `run.json` that are more than a word."""

    features: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True)
class MadeBy:
    """The content that `provenance.describe` wrote."""

    command: str | None = None
    date: str | None = None
    machine: Machine | None = None
    versions: dict[str, str] | None = None


@dataclasses.dataclass(frozen=True)
class Output:
    """A file that a command wrote."""

    bytes: Count
    sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """The content of a `run.json`."""

    identity: Identity
    options: dict[str, str | int | float | bool | None] = dataclasses.field(default_factory=dict)
    made_by: MadeBy = MadeBy()
    finished: str | None = None
    seconds: Finite | None = None
    outputs: dict[str, Output] = dataclasses.field(default_factory=dict)
    summary: dict[str, Any] = dataclasses.field(default_factory=dict)
    changes: list[dict[str, Any]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Run:
    """One command's hold on its output directory."""

    directory: Path
    record: dict[str, Any]
    started: float
    changed: dict[str, tuple[Any, Any]] = dataclasses.field(default_factory=dict)
    """Options whose values differ from those at the beginning of the run: (old, new)."""
    writes: bool = True
    """Whether this process writes; of several that train together only one does."""

    @property
    def finished(self) -> bool:
        return "finished" in self.record

    @property
    def finished_line(self) -> str:
        """The line that a command prints when nothing is left to do."""
        name = self.record["identity"]["command"]
        return f"{name}: {self.directory} is finished already ({self.record['finished']}); skipped"

    def accept_changes(self, command: Any) -> None:
        """Continue with the options of `command` if they differ; the record keeps the old values."""
        if self.changed:
            self.reopen(command)

    def reopen(self, command: Any) -> None:
        """Mark the work as unfinished and continue it with the options of `command`; the record keeps the old ones."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        change = {"date": now, "options": {name: list(pair) for name, pair in self.changed.items()}}
        self.record.setdefault("changes", []).append(change)
        self.record["identity"] = _identity(command, self.record["identity"]["command"])
        self.record["options"] = dataclasses.asdict(command)
        self.changed.clear()
        self.unfinish()

    def unfinish(self) -> None:
        """Mark the work as unfinished, before a part of it is deleted."""
        for key in ("finished", "outputs", "summary"):
            self.record.pop(key, None)
        if self.writes:
            atomic.write_json(self.directory / RECORD, self.record)

    def finish(self, **summary: Any) -> None:
        """Mark the work as done; `summary` is kept under "summary"."""
        outputs = {
            str(path.relative_to(self.directory)): {"bytes": path.stat().st_size, "sha256": provenance.sha256(path)}
            for path in sorted(self.directory.rglob("*"))
            if path.is_file() and path.name != RECORD and not _is_working_file(path.relative_to(self.directory))
        }
        self.record.update(
            finished=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            seconds=round(self.record.get("seconds", 0.0) + time.monotonic() - self.started, 1),
            outputs=outputs,
            summary=summary,
        )
        atomic.write_json(self.directory / RECORD, self.record)


@contextlib.contextmanager
def open_run(
    command: Any, name: str, output: str, accepts_changes: bool = False, reopens: bool = False
) -> Iterator[Run]:
    """Hold `output` for `command` (a dataclass of options) until the block ends, with its earlier run or a new one.

    No other process can take the directory meanwhile. If the block raises and the directory holds nothing but the
    record, the record is deleted, so that the corrected command can use the directory.

    Args:
      accepts_changes: whether a run with other options may be continued.
      reopens: whether work begins again even if it is finished.

    Raises:
      UsageError: as `find_run`, or the directory cannot be made.
      FailedError: another process works there.
    """
    earlier = find_run(command, name, output, accepts_changes)
    if earlier and earlier.finished and not earlier.changed and not reopens:
        yield earlier  # nothing will be written
        return
    directory = Path(output)
    with _made(directory), directory_lock.held(directory):
        # Read again: another process may have finished its work, or begun a run, before the lock was taken.
        run = find_run(command, name, output, accepts_changes)
        if run is None:
            run = Run(directory, _new_record(command, name), time.monotonic())
            atomic.write_json(directory / RECORD, run.record)
        try:
            yield run
        except Exception:
            if {path.name for path in directory.iterdir()} <= {RECORD, directory_lock.NAME}:
                (directory / RECORD).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _made(directory: Path) -> Iterator[None]:
    """Make the directory; remove it again if the block raises and leaves it empty. Raises UsageError."""
    is_new = not directory.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{directory}: cannot be created ({error.strerror}); give another --output") from None
    try:
        yield
    except Exception:
        if is_new:
            with contextlib.suppress(OSError):
                directory.rmdir()
        raise


@contextlib.contextmanager
def join_run(command: Any, name: str, output: str, accepts_changes: bool = False) -> Iterator[Run]:
    """The run in `output` for a process that takes part in it but writes nothing.

    Raises:
      UsageError: as `find_run`, for what is already there.
    """
    directory = Path(output)
    earlier = find_run(command, name, output, accepts_changes) if (directory / RECORD).exists() else None
    run = earlier or Run(directory, _new_record(command, name), time.monotonic())
    yield dataclasses.replace(run, writes=False)


def find_run(command: Any, name: str, output: str, accepts_changes: bool = False) -> Run | None:
    """The earlier run of `command` (a dataclass of options) in `output`; None if the directory is free.

    Nothing is written: a command can look whether its work is done before it reads its inputs,
    and take the directory with `open_run` once the inputs have proved right.

    Raises:
      UsageError: the directory holds the results of another command, of other options
        or inputs (unless changes are accepted), or files that no command wrote.
    """
    directory = Path(output)
    refuse_sealed(directory, "output")
    record_path = directory / RECORD
    if record_path.exists():
        record = read_record(record_path)
        changed = _changed(directory, _with_defaults(command, record["identity"]), _identity(command, name))
        _refuse_missing(command, changed)
        if changed and not accepts_changes:
            paths = {name: (record.get("options", {}).get(name), getattr(command, name)) for name in changed}
            differences = "; ".join(f"--{name} {_difference(*changed[name], *paths[name])}" for name in changed)
            way_on = " or --accept_changes to continue with the changes," if hasattr(command, "accept_changes") else ""
            raise UsageError(
                f"{directory}: was begun with {differences}; give another --output,{way_on} or delete that directory"
            )
        return Run(directory, record, time.monotonic(), changed)
    if directory.is_symlink() and not directory.exists():
        raise UsageError(
            f"{directory}: is a link to {os.readlink(directory)}, which is not there; give another --output"
        )
    if directory.exists() and (not directory.is_dir() or any(map(_is_of_something_else, directory.iterdir()))):
        what = "holds other files" if directory.is_dir() else "is a file"
        raise UsageError(f"{directory}: {what}; --output names an empty or new directory")
    return None


def refuse_sealed(path: Path, flag: str) -> None:
    """Raise UsageError if `path`, which is to be written, is inside an export that its SEAL closes."""
    for directory in Path(os.path.abspath(path)).parents:
        if (directory / SEAL).exists():
            raise UsageError(
                f"--{flag}={path}: {directory} is sealed by its {SEAL}, and another file would break the seal; give "
                "a path outside it"
            )


def _new_record(command: Any, name: str) -> dict[str, Any]:
    return {
        "identity": _identity(command, name),
        "options": dataclasses.asdict(command),
        "made_by": provenance.describe(),
    }


def require_finished(directory: Path) -> dict[str, Any]:
    """The record of the finished run in `directory`.

    Raises:
      UsageError: there is no run, or it was not finished.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such directory")
    if not (directory / RECORD).exists():
        raise UsageError(f"{directory}: has no {RECORD}, so no command of mobilebert-tf made it")
    record = read_record(directory / RECORD)
    if "finished" not in record:
        command = record["identity"]["command"]
        raise UsageError(f"{directory}: `{command}` has not finished there; run that command again first")
    return record


def fingerprint(paths: str, output: str | None = None) -> str:
    """A short hash of the content of files, directories or patterns (comma-separated).

    Outputs that lie inside an input, the command's own `output` or those of other commands, are left out.

    Of each file, the name, the size and the content are hashed; of a file beyond WHOLE_BYTES, evenly spaced parts of
    it; of a run, the hashes in its record for files that are still the same. A large corpus takes a second.
    """
    digest = hashlib.sha256()
    for path in expand(paths):
        record = path / RECORD
        outputs = _outputs_now(record) if path.is_dir() and record.exists() else None
        if outputs is not None:
            digest.update(json.dumps(outputs, sort_keys=True).encode())
            continue
        files = sorted(_files_below(path, output)) if path.is_dir() else [path]
        for file in files:
            size = file.stat().st_size
            digest.update(f"{file.name} {size} ".encode(errors="surrogateescape"))
            for part in _parts_of(file, size):
                digest.update(part)
    return digest.hexdigest()[:16]


WHOLE_BYTES = 256 << 20
"""Size up to which all of a file is hashed."""

_PART_BYTES = 1 << 20


def _parts_of(file: Path, size: int) -> Iterator[bytes]:
    """The content of a file of `size` bytes, of a large one as many bytes as WHOLE_BYTES, its ends among them."""
    count = WHOLE_BYTES // _PART_BYTES
    with open(file, "rb") as content:
        if size <= WHOLE_BYTES:
            yield from iter(functools.partial(content.read, _PART_BYTES), b"")
            return
        for number in range(count):
            content.seek((size - _PART_BYTES) * number // (count - 1))
            yield content.read(_PART_BYTES)


def _files_below(directory: Path, output: str | None) -> Iterator[Path]:
    for path in directory.iterdir():
        if path.is_file():
            yield path
        elif path.is_dir() and not path.is_symlink() and not _is_output(path, output):  # a link may lead back here
            yield from _files_below(path, output)


def _is_output(directory: Path, output: str | None) -> bool:
    return (directory / RECORD).exists() or bool(output) and directory.resolve() == Path(str(output)).resolve()


def _outputs_now(record: Path) -> dict[str, str] | None:
    """Hashes of a run's outputs by name, as they are now; None if the record is a file of another program.

    The record's own hash serves for a file that was not written to since.
    """
    try:
        outputs = read_record(record).get("outputs", {})
    except UsageError:
        return None
    written = record.stat().st_mtime
    hashes = {}
    for name, output in outputs.items():
        file = record.parent / name
        if not file.exists():
            hashes[name] = "missing"
        elif file.stat().st_size == output["bytes"] and file.stat().st_mtime <= written:
            hashes[name] = output["sha256"]
        else:
            hashes[name] = provenance.sha256(file)
    return hashes


def _identity(command: Any, name: str) -> dict[str, Any]:
    identity: dict[str, Any] = {"command": name}
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        if field.metadata["is_input"] and value and _is_there(next(iter(names(value)), "")):
            identity[field.name] = fingerprint(value, getattr(command, "output", None))
        elif field.metadata["identity"] and field.name != "output":
            identity[field.name] = value
    return identity


def _with_defaults(command: Any, identity: dict[str, Any]) -> dict[str, Any]:
    """An earlier run's identity; options that did not exist then have their defaults."""
    return {field.name: field.default for field in dataclasses.fields(command)} | identity


def _is_there(path: str) -> bool:
    return os.path.exists(path) or os.path.exists(f"{path}.index") or bool(glob.glob(path))


def _changed(directory: Path, there: dict[str, Any], here: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The options that differ, by name: (old value, new value)."""
    if there.get("command") != here["command"]:
        raise UsageError(
            f"{directory}: holds the results of `{there.get('command')}`, not of `{here['command']}`; "
            "give another --output"
        )
    return {name: (there.get(name), here[name]) for name in here if there.get(name) != here[name]}


def _refuse_missing(command: Any, changed: Mapping[str, tuple[Any, Any]]) -> None:
    """Raise UsageError if an input that an earlier run has read is no longer there."""
    for field in dataclasses.fields(command):
        if field.metadata["is_input"] and field.name in changed:
            before, now = changed[field.name]
            if _is_hash(before) and isinstance(now, str) and now == getattr(command, field.name):
                raise UsageError(f"--{field.name}={now}: no such file or directory; it was there when the run began")


def _difference(old: Any, new: Any, old_path: Any, new_path: Any) -> str:
    """Old and new value of an option, in words; for inputs that were read, whose values are hashes, their paths."""
    if _is_hash(old) and _is_hash(new):
        return f"{new_path}, which has changed" if old_path in (None, new_path) else f"{old_path}, now {new_path}"
    old, new = (path if _is_hash(value) else value for value, path in ((old, old_path), (new, new_path)))
    old, new = ("left out" if value is None else value for value in (old, new))
    return f"{old}, now {new}"


def _is_hash(value: Any) -> bool:
    return re.fullmatch("[0-9a-f]{16}", str(value)) is not None


def read_record(path: Path) -> dict[str, Any]:
    """The content of a `run.json`, every field as in `Record`. Raises UsageError."""
    fix = "delete that directory to start over"
    record = read_object(path, fix)
    build(Record, record, f"{path}", fix)
    return record


def _is_of_something_else(path: Path) -> bool:
    """Whether a file in a directory without a record is foreign: not a lock or unfinished file of a killed command."""
    return path.name not in (directory_lock.NAME, atomic.PART) and not atomic.is_aside(path, RECORD)


def _is_working_file(relative: Path) -> bool:
    """Whether a file belongs to the run, as checkpoints and logs do, and not to its result."""
    apart = ("checkpoints", "tensorboard", "journal.jsonl")
    return any(part in apart for part in relative.parts) or relative.name.startswith(".")
