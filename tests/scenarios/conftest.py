"""The home of most stories: known for four weeks, with a siren and a lock that the guard may use."""

from __future__ import annotations

import pytest
from tests.scenarios.story import LOCK, SIREN, Story


@pytest.fixture(scope="package")
def four_weeks() -> Story:
    story = Story(SIREN, LOCK)
    story.history(weeks=4)
    return story


@pytest.fixture
def home(four_weeks: Story) -> Story:
    """A twin of its own for each test. It is midnight."""
    return four_weeks.twin()
