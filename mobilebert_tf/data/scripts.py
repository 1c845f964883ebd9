"""Scripts without blanks between words."""

from __future__ import annotations

import re

NO_BLANKS = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Burmese
    "\u1780-\u17ff\u19e0-\u19ff"  # Khmer
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese
    "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f\U0001aff0-\U0001b16f"  # Japanese
    "\u3100-\u312f\u31a0-\u31bf"  # Bopomofo
    "\ua000-\ua4cf"  # Yi
)
"""Characters of these scripts, in the form between the brackets of a regular expression's class."""

_NO_BLANKS = re.compile(f"[{NO_BLANKS}]")


def has_no_blanks(character: str) -> bool:
    """Whether a character is of a script without blanks between words."""
    return character > "\u0e00" and _NO_BLANKS.match(character) is not None
