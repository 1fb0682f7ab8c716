"""How gates show figures and times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from registry.gates.gate import Finding

# Two machines' clocks differ; what is later than that has not been found yet.
_CLOCKS_DIFFER = timedelta(hours=1)
NOBODY_THERE = "no version to compare with"


def figure(value: float) -> str:
    """A figure as people compare them: four digits."""
    return f"{value:.4g}"


def no_metric(metric: str, known: Mapping[str, float], run_id: str) -> Finding:
    """The failure where an evaluation or comparison does not have a figure."""
    return Finding(False, f"no {metric}; there are {', '.join(sorted(known)) or 'none'}", run_id)


def fresh(at: datetime, max_age_days: float | None) -> bool:
    """Whether something is at most so old, and not from the future; None asks for nothing."""
    if max_age_days is None:
        return True
    age = datetime.now(UTC) - at
    return age >= -_CLOCKS_DIFFER and age / timedelta(days=1) <= max_age_days


def age_of(at: datetime) -> str:
    """A day and how long ago it is."""
    days = (datetime.now(UTC) - at) / timedelta(days=1)
    return f"{at:%Y-%m-%d}, {days:.0f} days ago" if days >= 1 else f"{at:%Y-%m-%d %H:%M} UTC"
