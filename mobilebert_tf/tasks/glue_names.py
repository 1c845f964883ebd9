"""Names of GLUE's tasks, for flags; `glue.py` has their settings, which take longer to import."""

PREFIX = "glue/"

GLUE_NAMES = tuple(
    PREFIX + name
    for name in "cola sst2 mrpc qqp stsb mnli mnli_matched mnli_mismatched ax qnli rte wnli".split()
)  # fmt: skip
