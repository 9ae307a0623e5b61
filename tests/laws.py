"""How many examples a law is tried on: few while people wait, thousands at night."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

NIGHTLY = 2_000
"""Examples under the profile that `tests/conftest.py` registers."""


def law(examples: int = 100) -> settings:
    """Give the settings of a law: ``examples`` by day, `NIGHTLY` under the nightly profile.

    The machine may be busy: no time is asserted.
    """
    at_night = settings.default is not None and settings.default.max_examples >= NIGHTLY
    return settings(
        deadline=None,
        max_examples=NIGHTLY if at_night else examples,
        suppress_health_check=[HealthCheck.too_slow],
    )
