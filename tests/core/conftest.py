"""Hypothesis settings of the core's properties."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

# No deadline: a busy machine must not fail a property. In CI the same examples every time: a red build repeats.
settings.register_profile("default", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True)
settings.register_profile("once", parent=settings.get_profile("default"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")
