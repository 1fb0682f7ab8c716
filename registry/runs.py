"""What the registry knows about one run, a scoring job's or a registration's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum


class RunStatus(StrEnum):
    """How a run stands, as MLflow spells it."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


class JobKind(StrEnum):
    """What a job's run is of, as its tag says."""

    SCORING = "scoring"
    EVALUATION = "evaluation"
    COMPARISON = "comparison"


@dataclass(frozen=True, slots=True)
class Run:
    """One MLflow run."""

    run_id: str
    name: str
    experiment_id: str
    status: RunStatus
    started_at: datetime
    ended_at: datetime | None
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)
    params: Mapping[str, str] = field(default_factory=dict, hash=False)
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)

    def once_said(self, outcome: Outcome) -> Run:
        """The same run with what it will have to say when it ends."""
        metrics, tags = {**self.metrics, **outcome.metrics}, {**self.tags, **outcome.tags}
        return replace(self, metrics=metrics, tags=tags)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has to say when it ends; `ended_at`: when that was, if not now."""

    status: RunStatus = RunStatus.FINISHED
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)
    params: Mapping[str, object] = field(default_factory=dict, hash=False)
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    ended_at: datetime | None = None
