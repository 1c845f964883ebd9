"""One module a command: a frozen dataclass of options with a `run` method."""
