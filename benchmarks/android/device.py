"""A device and its state; values that it does not report are None."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mobilebert_tf.benchmarks.android.adb import Adb

TEST_MODEL = "mobilebert_tf test device"
"""Model name of the program that simulates a device in tests: its figures are meaningless."""

_PROPERTIES = {
    "model": "ro.product.model",
    "manufacturer": "ro.product.manufacturer",
    "soc_maker": "ro.soc.manufacturer",
    "soc": "ro.soc.model",
    "board": "ro.board.platform",
    "android": "ro.build.version.release",
    "sdk": "ro.build.version.sdk",
    "fingerprint": "ro.build.fingerprint",
    "abi": "ro.product.cpu.abi",
    "qemu": "ro.boot.qemu",
    "old_qemu": "ro.kernel.qemu",
}


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Processors of one kind."""

    name: str
    cpus: tuple[int, ...]
    max_khz: int | None

    @property
    def mask(self) -> str:
        """Mask for `taskset`, in hexadecimal."""
        return f"{sum(1 << cpu for cpu in self.cpus):x}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Device:
    """One device, for results."""

    properties: Mapping[str, str]
    page_size: int | None
    memory_mib: float | None
    clusters: tuple[Cluster, ...]
    identity: str
    """Anonymous identifier of this device: a hash of its serial number and its build."""

    @property
    def kind(self) -> str:
        """phone, emulator or test."""
        if self.properties["model"] == TEST_MODEL:
            return "test"
        return "emulator" if "1" in (self.properties["qemu"], self.properties["old_qemu"]) else "phone"

    def cluster(self, name: str) -> Cluster | None:
        return next((one for one in self.clusters if one.name == name), None)

    def describe(self) -> dict[str, Any]:
        """The device as results record it."""
        own = self.properties
        soc = " ".join(word for word in (own["soc_maker"], own["soc"]) if word) or own["board"]
        return {
            "kind": self.kind,
            "model": own["model"] or "unknown",
            "manufacturer": own["manufacturer"],
            "soc": soc,
            "android": own["android"],
            "sdk": int(own["sdk"]) if own["sdk"].isdigit() else None,
            "fingerprint": own["fingerprint"],
            "abi": own["abi"],
            "page_size": self.page_size,
            "memory_mib": self.memory_mib,
            "identity": self.identity,
            "clusters": [{"name": one.name, "cpus": list(one.cpus), "max_khz": one.max_khz} for one in self.clusters],
        }


def read(adb: Adb) -> Device:
    """Query the device's properties. Raises DeviceGoneError."""
    printed = adb.shell("; ".join(f"echo {name}=$(getprop {key})" for name, key in _PROPERTIES.items())).stdout
    values = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
    properties = {name: values.get(name, "").strip() for name in _PROPERTIES}
    page = adb.text("getconf PAGE_SIZE 2>/dev/null")
    memory = re.search(r"MemTotal:\s*(\d+) kB", adb.text("head -n 1 /proc/meminfo"))
    policies = adb.shell(
        "for p in /sys/devices/system/cpu/cpufreq/policy*; do "
        'echo "$(cat $p/related_cpus 2>/dev/null):$(cat $p/cpuinfo_max_freq 2>/dev/null)"; done'
    ).stdout
    identity = hashlib.sha256(f"{adb.serial} {properties['fingerprint']}".encode()).hexdigest()[:16]
    return Device(
        properties=properties,
        page_size=int(page) if page.isdigit() else None,
        memory_mib=round(int(memory[1]) / 1024, 1) if memory else None,
        clusters=clusters(policies),
        identity=identity,
    )


def clusters(policies: str) -> tuple[Cluster, ...]:
    """Kinds of processors, slowest first, from cpufreq's lines `CPUS:MAX_KHZ`; equal clock rates are one kind.

    Two kinds are called little and big; with more, all between these are middle; a single kind is called all.
    """
    by_clock: dict[int | None, set[int]] = {}
    for line in policies.splitlines():
        cpus, _, clock = line.partition(":")
        numbers = {int(word) for word in cpus.split() if word.isdigit()}
        if numbers:
            by_clock.setdefault(int(clock) if clock.strip().isdigit() else None, set()).update(numbers)
    ordered = sorted(by_clock.items(), key=lambda one: one[0] or 0)
    if len(ordered) > 3:
        middle = set().union(*(cpus for _, cpus in ordered[1:-1]))
        ordered = [ordered[0], (ordered[-2][0], middle), ordered[-1]]
    names = {0: [], 1: ["all"], 2: ["little", "big"], 3: ["little", "middle", "big"]}[len(ordered)]
    return tuple(Cluster(name, tuple(sorted(cpus)), clock) for name, (clock, cpus) in zip(names, ordered, strict=True))


STATE = (
    "echo '== thermal'; dumpsys thermalservice 2>/dev/null; echo '== battery'; dumpsys battery 2>/dev/null; "
    "echo '== screen'; dumpsys power 2>/dev/null | grep -m 1 mWakefulness=; "
    "echo '== load'; cat /proc/loadavg; echo '== clocks'; "
    "for c in /sys/devices/system/cpu/cpu[0-9]*; do "
    'echo "${c##*cpu} $(cat $c/cpufreq/scaling_cur_freq 2>/dev/null)"; done'
)
"""One shell command that queries the whole state."""

BRIEF = STATE.partition("echo '== battery'")[0] + "echo '== clocks'" + STATE.partition("echo '== clocks'")[2]
"""Shorter command for use while something is timed, since queries take processor time."""


def state(printed: str, at_s: float) -> dict[str, Any]:
    """Parse the output of `STATE` or `BRIEF`; parts of it may be missing.

    Args:
      at_s: seconds since the start of the measurement.
    """
    parts: dict[str, str] = {}
    for part in printed.split("== ")[1:]:
        name, _, text = part.partition("\n")
        parts[name.strip()] = text
    thermal = re.search(r"Thermal Status:\s*([0-6])\b", parts.get("thermal", ""))
    battery = dict(re.findall(r"^\s*([\w ]+):\s*(\S+)\s*$", parts.get("battery", ""), re.MULTILINE))
    level, temperature = battery.get("level", ""), battery.get("temperature", "")
    powered = [value for name, value in battery.items() if name.endswith("powered")]
    awake = re.search(r"mWakefulness=(\w+)", parts.get("screen", ""))
    load = re.match(r"\s*([\d.]+)", parts.get("load", ""))
    clocks = re.findall(r"^(\d+) (\d+)$", parts.get("clocks", ""), re.MULTILINE)
    return {
        "at_s": round(at_s, 1),
        "thermal_status": int(thermal[1]) if thermal else None,
        "battery_percent": int(level) if level.isdigit() else None,
        "battery_celsius": int(temperature) / 10 if temperature.isdigit() else None,
        "charging": "true" in powered if powered else None,
        "screen_on": awake[1] == "Awake" if awake else None,
        "clocks_khz": {cpu: int(clock) for cpu, clock in clocks},
        "load": float(load[1]) if load else None,
    }


def is_cool(seen: Mapping[str, Any], most_celsius: float) -> bool:
    """Whether a device is cool, judged by the values that it reports."""
    status, celsius = seen["thermal_status"], seen["battery_celsius"]
    return (status is None or status == 0) and (celsius is None or celsius <= most_celsius)


def warmest(states: Sequence[Mapping[str, Any] | None]) -> int | None:
    """The highest thermal status of several states; None: the device does not report it."""
    known = [one["thermal_status"] for one in states if one and one["thermal_status"] is not None]
    return max(known, default=None)


def span(rounds: Sequence[Mapping[str, Any]]) -> float:
    """Seconds from the state before the first process to the state after the last; 0 without processes."""
    return float(rounds[-1]["after"]["at_s"] - rounds[0]["before"]["at_s"]) if rounds else 0.0
