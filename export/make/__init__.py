"""Processing of an export's recipes, one after the other: source, file, measurements."""
