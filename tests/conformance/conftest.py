"""Short trainings without tracing, since these tests are not about the steps."""

import pytest


@pytest.fixture(autouse=True)
def untraced(few_steps_untraced: None) -> None:
    """Run short trainings without tracing a graph, as in tests/commands."""
