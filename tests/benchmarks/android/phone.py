"""The device side of adb over TCP, so that the real `adb` can be driven without a phone.

Speaks adbd's protocol without authentication: shell_v2 (standard output, exit status) and the first sync service (stat,
push, pull). Commands run in this machine's `sh`, with the device's directories below `root` and its own programs first
on the PATH: `getprop`, `dumpsys` and so on are stubs in `stubs/`, which read how the device is to behave from
`behaviour.json`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socketserver
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

CNXN, OPEN, OKAY, WRTE, CLSE = (
    int.from_bytes(word, "little") for word in (b"CNXN", b"OPEN", b"OKAY", b"WRTE", b"CLSE")
)
MOST = 256 * 1024
BANNER = b"device::ro.product.name=test;ro.product.model=test;ro.product.device=test;features=shell_v2,cmd\0"
STUBS = Path(__file__).parent / "stubs"
DIRECTORIES = ("/data/local/tmp", "/sys/devices", "/proc/", "/sdcard")


class Phone:
    """A device that listens on a port of this machine."""

    def __init__(self, root: Path):
        self.root = root
        self.commands: list[str] = []
        """Commands that its shell has been given."""
        self.vanish_at: str | None = None
        """A pattern: the device disappears when a command matches."""
        self.vanish_number = 1
        self.full = False
        """The device is full: nothing more can be pushed."""
        for name in ("data/local/tmp", "sdcard", "proc"):
            (root / name).mkdir(parents=True)
        (root / "proc/loadavg").write_text("0.50 0.40 0.30 1/700 4242\n")
        (root / "proc/meminfo").write_text("MemTotal:        7812345 kB\n")
        cpus = root / "sys/devices/system/cpu"
        for policy, (numbers, clock) in {0: ("0 1 2 3", 1800000), 4: ("4 5 6", 2400000), 7: ("7", 2850000)}.items():
            directory = cpus / f"cpufreq/policy{policy}"
            directory.mkdir(parents=True)
            (directory / "related_cpus").write_text(numbers + "\n")
            (directory / "cpuinfo_max_freq").write_text(f"{clock}\n")
            for cpu in numbers.split():
                (cpus / f"cpu{cpu}/cpufreq").mkdir(parents=True)
                (cpus / f"cpu{cpu}/cpufreq/scaling_cur_freq").write_text(f"{clock}\n")
        self.behave()
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._server.phone = self
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def behave(self, **how: Any) -> None:
        """Change the behaviour of the stubs, which `stubs/` describes."""
        path = self.root / "behaviour.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(known | how))

    def vanish(self) -> None:
        """Disappear, as if the cable had been pulled."""
        for connection in list(self._server.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(2)
                connection.close()
        self._server.gone = True

    def come_back(self) -> None:
        self.vanish_at, self._server.gone = None, False

    def close(self) -> None:
        self.vanish()
        self._server.shutdown()
        self._server.server_close()

    def run(self, command: str) -> subprocess.Popen[bytes]:
        """Start a command as the device's shell does."""
        self.commands.append(command)
        if self.vanish_at and re.search(self.vanish_at, command):
            self.vanish_number -= 1
            if self.vanish_number <= 0:
                self.vanish()
        for name in DIRECTORIES:
            command = command.replace(name, f"{self.root}{name}")
        paths = f"{STUBS}:{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
        values = {**os.environ, "PATH": paths, "PHONE": str(self.root), "PHONE_PYTHON": sys.executable}
        return subprocess.Popen(
            ["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=values, start_new_session=True,
        )  # fmt: skip


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    phone: Phone
    gone = False

    def __init__(self, *words: Any):
        super().__init__(*words)
        self.connections: list[Any] = []

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.gone


class _Connection(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.connections.append(self.request)
        self.lock, self.streams, self.next = threading.Lock(), dict[int, dict[str, Any]](), 1
        try:
            while True:
                kind, first, second, size, _, _ = struct.unpack("<6I", self._receive(24))
                data = self._receive(size)
                if kind == CNXN:
                    self._send(CNXN, 0x01000001, MOST, BANNER)
                elif kind == OPEN:
                    self._open(first, data.rstrip(b"\0").decode())
                elif kind == WRTE:
                    self._send(OKAY, second, first)
                    stream = self.streams.get(second)
                    if stream and stream["sync"] is not None:
                        stream["sync"] += data
                        self._sync(second, stream)
                elif kind == CLSE and (stream := self.streams.pop(second, None)):
                    _end(stream["process"])
                    self._send(CLSE, second, first)
        except (EOFError, OSError):
            for stream in self.streams.values():
                _end(stream["process"])

    def _receive(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            part = self.request.recv(size - len(content))
            if not part:
                raise EOFError
            content += part
        return content

    def _send(self, kind: int, first: int, second: int, data: bytes = b"") -> None:
        head = struct.pack("<6I", kind, first, second, len(data), sum(data) & 0xFFFFFFFF, kind ^ 0xFFFFFFFF)
        with self.lock:
            self.request.sendall(head + data)

    def _open(self, remote: int, service: str) -> None:
        own, self.next = self.next, self.next + 1
        stream = {"remote": remote, "sync": bytearray() if service == "sync:" else None, "file": None, "process": None}
        self.streams[own] = stream
        self._send(OKAY, own, remote)
        if service.startswith("shell"):
            threading.Thread(target=self._shell, args=(own, stream, service.partition(":")[2]), daemon=True).start()
        elif stream["sync"] is None:
            self.streams.pop(own)
            self._send(CLSE, own, remote)

    def _shell(self, own: int, stream: dict[str, Any], command: str) -> None:
        with contextlib.suppress(OSError):
            process = stream["process"] = self.server.phone.run(command)
            output, _ = process.communicate()
            for at in range(0, len(output), 4096):
                part = output[at : at + 4096]
                self._send(WRTE, own, stream["remote"], struct.pack("<BI", 1, len(part)) + part)
            status = process.returncode if process.returncode >= 0 else 128 - process.returncode
            self._send(WRTE, own, stream["remote"], struct.pack("<BIB", 3, 1, status))
            self.streams.pop(own, None)
            self._send(CLSE, own, stream["remote"])

    def _path(self, name: str) -> Path:
        return self.server.phone.root / name.lstrip("/").replace("..", "_")

    def _sync(self, own: int, stream: dict[str, Any]) -> None:
        buffer, remote = stream["sync"], stream["remote"]
        while len(buffer) >= 8:
            kind, size = bytes(buffer[:4]), struct.unpack("<I", buffer[4:8])[0]
            if kind == b"DONE":
                del buffer[:8]
                file, stream["file"] = stream["file"], None
                if file is None:
                    message = b"No space left on device"
                    self._send(WRTE, own, remote, b"FAIL" + struct.pack("<I", len(message)) + message)
                    continue
                file.close()
                self._send(WRTE, own, remote, b"OKAY" + struct.pack("<I", 0))
                continue
            if kind == b"QUIT":  # adb waits until the device closes the stream
                self.streams.pop(own, None)
                self._send(CLSE, own, remote)
                return
            if len(buffer) < 8 + size:
                return
            content = bytes(buffer[8 : 8 + size])
            del buffer[: 8 + size]
            if kind == b"STAT":
                path = self._path(content.decode())
                status = path.stat() if path.exists() else None
                mode, length, time = (status.st_mode, status.st_size, int(status.st_mtime)) if status else (0, 0, 0)
                self._send(WRTE, own, remote, b"STAT" + struct.pack("<III", mode, length, time))
            elif kind == b"SEND":
                path = self._path(content.decode().rpartition(",")[0])
                path.parent.mkdir(parents=True, exist_ok=True)
                stream["file"] = None if self.server.phone.full else path.open("wb")
            elif kind == b"DATA":
                if stream["file"]:
                    stream["file"].write(content)
            elif kind == b"RECV":
                path = self._path(content.decode())
                if not path.is_file():
                    message = b"No such file or directory"
                    self._send(WRTE, own, remote, b"FAIL" + struct.pack("<I", len(message)) + message)
                    continue
                data = path.read_bytes()
                for at in range(0, len(data), 60000):
                    part = data[at : at + 60000]
                    self._send(WRTE, own, remote, b"DATA" + struct.pack("<I", len(part)) + part)
                self._send(WRTE, own, remote, b"DONE" + struct.pack("<I", 0))


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.poll() is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
