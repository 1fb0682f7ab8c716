"""How gates show figures and times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from registry.gates.gate import Finding

NOBODY_THERE = "no version to compare with"


def figure(value: float) -> str:
    """A figure as people compare them: four digits."""
    return f"{value:.4g}"


def no_metric(metric: str, known: Mapping[str, float], run_id: str) -> Finding:
    """The failure where an evaluation or comparison does not have a figure."""
    return Finding(False, f"no {metric}; there are {', '.join(sorted(known)) or 'none'}", run_id)


def fresh(at: datetime, max_age_days: float | None) -> bool:
    """Whether something is at most so old; None asks for nothing."""
    return max_age_days is None or datetime.now(UTC) - at <= timedelta(days=max_age_days)


def age_of(at: datetime) -> str:
    """A day and how long ago it is."""
    days = (datetime.now(UTC) - at) / timedelta(days=1)
    return f"{at:%Y-%m-%d}, {days:.0f} days ago" if days >= 1 else f"{at:%Y-%m-%d %H:%M} UTC"
