"""Access to one device, its shell and its files through `adb` of Android's platform tools."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from mobilebert_tf import child_process
from mobilebert_tf.errors import FailedError, UsageError

SECONDS = 60.0
"""Default time limit of a command, in seconds."""


class DeviceGoneError(FailedError):
    """The device is no longer connected: its cable was pulled, or it restarted."""


@dataclasses.dataclass(frozen=True)
class Shell:
    """Output and status of a command on the device."""

    stdout: str
    stderr: str
    status: int

    @property
    def text(self) -> str:
        """Everything that the command printed."""
        return f"{self.stdout}\n{self.stderr}".strip()

    @property
    def last(self) -> str:
        """The last line that the command printed."""
        return (self.text.splitlines() or ["it printed nothing"])[-1].strip()


def find(serial: str | None) -> Adb:
    """The device to measure on.

    Args:
      serial: serial number of the device; None: the only one.

    Raises:
      UsageError: `adb` is missing, there is no such device or several, or it cannot be used yet.
    """
    if shutil.which("adb") is None:
        raise UsageError("`adb` is not on the PATH; it is in Android's platform tools and in Debian's package adb")
    listed = _run(["adb", "devices"], SECONDS)
    if listed.returncode:
        raise FailedError(f"adb devices: {_last(listed)}")
    # Serial and state are separated by a tab; a serial of wireless debugging may contain blanks.
    entries = re.findall(r"^([^\t\n]+)\t(no permissions|\S+)", listed.stdout.partition("\n")[2], re.MULTILINE)
    devices = dict(entries)
    devices.pop("*", None)
    if serial is None:
        if not devices:
            raise UsageError("no device is connected; connect one by cable or `adb connect`, and allow USB debugging")
        if len(devices) > 1:
            raise UsageError(f"{len(devices)} devices are connected; choose one with --serial: {', '.join(devices)}")
        (serial,) = devices
    if serial not in devices:
        raise UsageError(f"--serial={serial}: is not connected; connected devices: {', '.join(devices) or 'none'}")
    state = devices[serial]
    if state in _STATES:
        raise UsageError(f"{serial}: {_STATES[state]}")
    if state != "device":
        raise UsageError(f"{serial}: is in state {state!r}, so Android is not running; start it normally")
    return Adb(serial)


_STATES = {
    "unauthorized": "does not trust this computer yet; unlock the screen and allow USB debugging in the dialog",
    "authorizing": "is about to ask whether to trust this computer; allow USB debugging and try again",
    "offline": "is offline; unplug the cable and connect it again, or run `adb reconnect`",
    "no permissions": "this user lacks permission to open it; on Linux install Android's udev rules (Debian: "
    "android-sdk-platform-tools-common)",
}


class Adb:
    """One device."""

    def __init__(self, serial: str):
        self.serial = serial

    def shell(
        self, command: str, seconds: float = SECONDS, meanwhile: Callable[[], None] | None = None, every: float = 5.0
    ) -> Shell:
        """Run a command in the device's shell.

        Args:
          seconds: time limit.
          meanwhile: function that is called repeatedly while the command runs.
          every: seconds between two of these calls.

        Raises:
          DeviceGoneError: the device is not connected, or does not answer.
        """
        words = ["adb", "-s", self.serial, "shell", command]
        done = _run(words, seconds, meanwhile, every)
        if done.returncode and _is_gone(done.stderr):
            raise DeviceGoneError(f"{self.serial}: {_last(done)}")
        return Shell(done.stdout.replace("\r\n", "\n"), done.stderr, done.returncode)

    def text(self, command: str) -> str:
        """Output of a command without surrounding white space; empty if the command fails."""
        done = self.shell(command)
        return done.stdout.strip() if done.status == 0 else ""

    def push(self, local: Path, remote: str) -> bool:
        """Copy a file to the device unless it has the same content there. Returns whether it was copied.

        Raises:
          DeviceGoneError: the device is no longer connected.
          FailedError: the file cannot be written; the device may be full.
        """
        from mobilebert_tf import provenance

        digest = provenance.sha256(local)
        if self.text(f"sha256sum {shlex.quote(remote)} 2>/dev/null").split()[:1] == [digest]:
            return False
        done = _run(["adb", "-s", self.serial, "push", str(local), remote], 60 + local.stat().st_size / 1e5)
        if done.returncode:
            if _is_gone(done.stderr + done.stdout):
                raise DeviceGoneError(f"{self.serial}: {_last(done)}")
            free = self.text(f"df -k {shlex.quote(os.path.dirname(remote))} 2>/dev/null | tail -1")
            raise FailedError(
                f"{local}: cannot be copied to {self.serial} ({_reason(done)}; free space there: {free or 'unknown'})"
            )
        arrived = self.text(f"sha256sum {shlex.quote(remote)} 2>/dev/null").split()[:1]
        if arrived and arrived != [digest]:
            raise FailedError(f"{local}: arrived on {self.serial} with different content; its storage may be full")
        return True

    def push_all(self, local: Path, remote: str) -> None:
        """Copy all files of a directory into one on the device. Raises the errors of `push`."""
        done = _run(["adb", "-s", self.serial, "push", f"{local}/.", remote], SECONDS)
        if done.returncode:
            if _is_gone(done.stderr + done.stdout):
                raise DeviceGoneError(f"{self.serial}: {_last(done)}")
            raise FailedError(f"inputs cannot be copied to {self.serial} ({_reason(done)})")

    def pull(self, remote: str, local: Path) -> bool:
        """Copy a file from the device. Returns whether it exists there. Raises DeviceGoneError."""
        done = _run(["adb", "-s", self.serial, "pull", remote, str(local)], SECONDS)
        if done.returncode and _is_gone(done.stderr + done.stdout):
            raise DeviceGoneError(f"{self.serial}: {_last(done)}")
        return done.returncode == 0 and local.is_file()


def _is_gone(text: str) -> bool:
    return any(re.search(pattern, text) for pattern in _GONE)


_GONE = (
    r"device '[^']*' not found",
    "device offline",
    "no devices/emulators found",
    "device still authorizing",
    "error: closed",
    "protocol fault",
    "connection reset",
    "device disconnected",
    "did not answer within",
)


def _run(
    words: list[str], seconds: float, meanwhile: Callable[[], None] | None = None, every: float = 5.0
) -> subprocess.CompletedProcess[str]:
    """Run `adb`, calling `meanwhile` every `every` seconds; the status is 124 if it exceeds the time limit."""
    process = subprocess.Popen(
        child_process.tied(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, errors="replace", env=child_process.environment(),
    )  # fmt: skip
    waited = 0.0
    try:
        while True:
            step = min(every, seconds - waited) if meanwhile else seconds
            try:
                stdout, stderr = process.communicate(timeout=max(step, 0.01))
                return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)
            except subprocess.TimeoutExpired:
                waited += step
            if waited >= seconds:
                process.send_signal(signal.SIGKILL)
                stdout, stderr = process.communicate()
                late = f"{stderr}\ndid not answer within {seconds:.0f} s"
                return subprocess.CompletedProcess(words, 124, stdout, late)
            if meanwhile:
                meanwhile()
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """The line of a failed copy's output with the reason, which need not be the last: a count of files follows it."""
    lines = f"{done.stdout}\n{done.stderr}".splitlines()
    return next((line.strip() for line in lines if "error" in line or "failed" in line), _last(done))


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    return (lines or [f"status {done.returncode}"])[-1].strip()
