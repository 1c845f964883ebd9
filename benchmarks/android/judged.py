"""Verdicts on figures from a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mobilebert_tf.benchmarks import verdict
from mobilebert_tf.benchmarks.android.device import Device, warmest

LOW_BATTERY = 20
"""Battery level in per cent below which phones save power."""


def of_device(
    rounds: Sequence[Mapping[str, Any]],
    device: Device,
    accelerator: str,
    delegation: Mapping[str, Any] | None,
    outputs: Mapping[str, Any] | None,
    strict: bool,
) -> verdict.Verdict:
    """The verdict on a file in one configuration on a device.

    Args:
      rounds: processes, each with the device's states before, during and after it.
      device: the device that they ran on.
      accelerator: the requested accelerator.
      delegation: numbers of nodes that it took; None: the tool does not report them.
      outputs: comparison of outputs with this machine's, and with those of the device's own processor.
      strict: require as many inferences and seconds as MLPerf.
    """
    if not rounds:
        return verdict.of(["no process finished"], [])
    invalid, warnings = verdict.common(rounds, strict)
    if device.kind != "phone":
        invalid.append("an emulator's times say nothing about a phone" if device.kind == "emulator" else "no device")
    for faults, reasons in (
        _of_outputs(accelerator, outputs),
        _of_delegation(accelerator, delegation),
        _of_state(rounds),
    ):
        invalid += faults
        warnings += reasons
    return verdict.of(invalid, warnings)


def _of_outputs(accelerator: str, outputs: Mapping[str, Any] | None) -> tuple[list[str], list[str]]:
    if not outputs or not outputs["checked"]:
        why = f" ({outputs['why_not']})" if outputs and outputs.get("why_not") else ""
        return [], [f"outputs on the device are not checked{why}"]
    if accelerator != "cpu" and outputs.get("same_as_cpu"):
        return [f"outputs are bit-identical to those of the processor, so the {accelerator.upper()} did not run"], []
    error, tolerance = outputs.get("max_relative_error"), outputs["tolerance"]
    if error is None:
        return ["outputs on the device are NaN or infinite"], []
    if error > tolerance:
        return [f"outputs on the device are off by {error:.2g} of the largest, {tolerance:.2g} is allowed"], []
    return [], []


def _of_delegation(accelerator: str, delegation: Mapping[str, Any] | None) -> tuple[list[str], list[str]]:
    if accelerator == "cpu":
        return [], []
    if delegation is None:
        return [], [f"the tool does not say whether the {accelerator.upper()} ran"]
    taken, nodes = delegation.get("delegated"), delegation.get("nodes")
    if taken == 0:
        return [f"the {accelerator.upper()} took no node"], []
    if nodes is not None and taken is not None and taken < nodes:
        return [], [f"the {accelerator.upper()} took {taken} of {nodes} nodes"]
    return [], []


def _of_state(rounds: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    invalid, warnings = [], []
    states = [
        state for one in rounds for state in (one.get("before"), *one.get("during", ()), one.get("after")) if state
    ]
    status = warmest(states)
    if status is None:
        warnings.append("the device does not tell its thermal status")
    elif status >= 3:
        invalid.append(f"throttled: thermal status {status}")
    elif status > 0:
        warnings.append(f"warm: thermal status {status}")
    if any(one.get("not_cool") for one in rounds):
        warnings.append("the device did not cool down before each process")
    if any(state.get("charging") for state in states):
        warnings.append("charging")
    levels = [state["battery_percent"] for state in states if state.get("battery_percent") is not None]
    if levels and min(levels) < LOW_BATTERY:
        warnings.append(f"battery at {min(levels)} %")
    return invalid, warnings
