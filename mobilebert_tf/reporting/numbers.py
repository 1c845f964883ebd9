"""Readable numbers, kept on one line with their units; None becomes a dash."""

from __future__ import annotations

import math

ABSENT = "–"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def percent(share: float | None) -> str:
    return ABSENT if share is None else f"{100 * share:.1f}\u00a0%"


def count(number: float | None) -> str:
    return ABSENT if number is None else f"{number:,.0f}"


def significant(number: float | None, digits: int = 3) -> str:
    """The number as a decimal, or with a power of ten where a decimal would have many zeros."""
    if number is None or not math.isfinite(number):
        return ABSENT
    if number and not 1e-3 <= abs(number) < 1e5:
        mantissa, exponent = f"{number:.{max(digits - 2, 0)}e}".split("e")
        return f"{_signed(mantissa)}\u00a0×\u00a010{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return _signed(f"{number:.{digits}g}" if abs(number) < 10 ** (digits - 1) else f"{number:,.0f}")


def _signed(number: str) -> str:
    return number.replace("-", "−")


def megabytes(size: int | None) -> str:
    """A size in megabytes of 10⁶ bytes, the unit of app stores."""
    if size is None:
        return ABSENT
    return f"{size / 1e6:.2f}\u00a0MB" if size < 10e6 else f"{size / 1e6:.1f}\u00a0MB"


def added_bytes(size: int | None) -> str:
    """A number of bytes added to a file, in kilobytes of 10³ bytes."""
    return ABSENT if size is None else f"{_signed(f'{size / 1e3:+,.1f}')}\u00a0kB"


def points(share: float | None) -> str:
    """A difference of shares in percentage points, without the unit."""
    return ABSENT if share is None else _signed(f"{100 * share:+.1f}").replace("−0.0", "+0.0")


def milliseconds(time: float | None) -> str:
    if time is None:
        return ABSENT
    return f"{time:.{1 if time >= 10 else 2 if time >= 0.1 else 3}f}\u00a0ms"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return ABSENT
    if seconds < 60:
        return f"{seconds:.1f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}\u00a0h {minutes}\u00a0min" if hours else f"{minutes}\u00a0min {rest}\u00a0s"
