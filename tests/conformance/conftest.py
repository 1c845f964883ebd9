"""Trainings of a few steps are not about the steps."""

import pytest


@pytest.fixture(autouse=True)
def untraced(few_steps_untraced: None) -> None:
    """As in tests/commands."""
