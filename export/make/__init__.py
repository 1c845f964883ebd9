"""Every recipe of an export in turn: its source, its file, and what that came to."""
