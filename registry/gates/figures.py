"""Gates on what was measured: evaluations and precisions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from registry.evidence import Evidence, evidence_of
from registry.gates.gate import Finding
from registry.versions import ModelVersion

# 0.90 - 0.89 is a little more than 0.01.
_ROUNDING = 1e-9
NOBODY_THERE = "no version to compare with"


@dataclass(frozen=True, slots=True)
class Photos:
    """Which evaluations count: a data set's name, a precision, and how its digest begins."""

    dataset: str
    precision: str = "f32"
    digest: str = ""

    def evidence(self, version: ModelVersion) -> Evidence | None:
        """The evaluation of a version on these photos."""
        for found in evidence_of(version):
            if (found.dataset, found.precision) == (self.dataset, self.precision):
                return found if found.dataset_digest.startswith(self.digest) else None
        return None

    def missing(self, version: ModelVersion, whose: str = "") -> Finding:
        """The failure where there is no such evaluation, with the command that makes it."""
        step = f"stagewright evaluate {version.pinned_uri} --images DIR --labels CSV --dataset {self.dataset}"
        if self.precision != "f32":
            step += f" --precision {self.precision}"
        return Finding(False, f"{whose}not evaluated".strip(), next_step=step)

    def __str__(self) -> str:
        return f"on {self.dataset} at {self.precision}" + (f" ({self.digest[:12]})" if self.digest else "")


@dataclass(frozen=True, slots=True)
class Floor:
    """A figure that is at least, or where less is better at most, a number."""

    metric: str
    photos: Photos
    threshold: float
    greater_is_better: bool = True

    @property
    def name(self) -> str:
        return self.metric

    @property
    def wanted(self) -> str:
        return f"{'>=' if self.greater_is_better else '<='} {self.threshold:g} {self.photos}"

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """Missing evidence and a missing figure fail."""
        evidence = self.photos.evidence(candidate)
        if evidence is None:
            return self.photos.missing(candidate)
        value = evidence.metrics.get(self.metric)
        if value is None:
            return no_metric(self.metric, evidence.metrics, evidence.run_id)
        passed = value >= self.threshold if self.greater_is_better else value <= self.threshold
        return Finding(passed, figure(value), evidence.run_id)


@dataclass(frozen=True, slots=True)
class Change:
    """A figure that is better than that of the version now in the stage, on the same photos, by so much.

    `min_absolute_change` and `min_relative_change` are those of `mlflow.models.MetricThreshold`, and MLflow
    itself decides, so that a team that uses both gets one answer. `max_drop` is what MLflow cannot say: how
    much worse a figure may be.
    """

    metric: str
    photos: Photos
    bound: Bound
    greater_is_better: bool = True

    @property
    def name(self) -> str:
        return f"{self.metric}-{self.bound.name}"

    @property
    def wanted(self) -> str:
        better = "" if self.greater_is_better else ", less is better"
        return f"{self.bound}{better} {self.photos}"

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """Passes where no version is there yet; without evidence of both versions it fails."""
        if current is None:
            return Finding(True, NOBODY_THERE)
        mine, theirs = self.photos.evidence(candidate), self.photos.evidence(current)
        if mine is None:
            return self.photos.missing(candidate)
        if theirs is None:
            return self.photos.missing(current, whose=f"version {current.number}: ")
        if mine.dataset_digest != theirs.dataset_digest:
            again = self.photos.missing(current).next_step
            return Finding(False, f"version {current.number}: evaluated on other photos", next_step=again)
        return self._compared(mine, theirs, current)

    def _compared(self, mine: Evidence, theirs: Evidence, current: ModelVersion) -> Finding:
        for evidence in (mine, theirs):
            if self.metric not in evidence.metrics:
                return no_metric(self.metric, evidence.metrics, evidence.run_id)
        value, before = mine.metrics[self.metric], theirs.metrics[self.metric]
        passed = self.bound.holds(value, before, self.greater_is_better)
        found = f"{figure(value)}, version {current.number} {figure(before)} ({value - before:+.4g})"
        return Finding(passed, found, mine.run_id)


@dataclass(frozen=True, slots=True)
class Bound:
    """How far apart two figures must be; `name` is min_absolute_change, min_relative_change or max_drop."""

    name: str
    amount: float

    def holds(self, value: float, before: float, greater_is_better: bool) -> bool:
        """Whether `value` is that much better than `before`; a figure that is no number never is."""
        # MLflow lets NaN pass a relative change and raises on it for an absolute one.
        if not (math.isfinite(value) and math.isfinite(before)):
            return False
        if self.name == "max_drop":
            drop = before - value if greater_is_better else value - before
            return drop <= self.amount + _ROUNDING
        from registry.client import thresholds  # MLflow

        return thresholds.holds({self.name: self.amount}, value, before, greater_is_better)

    def __str__(self) -> str:
        match self.name:
            case "max_drop":
                return f"at most {self.amount:g} worse"
            case "min_relative_change":
                return f"better by >= {100 * self.amount:g} %"
            case _:
                return f"better by >= {self.amount:g}"


@dataclass(frozen=True, slots=True)
class Fresh:
    """An evaluation that is there, on these photos, and not too old."""

    photos: Photos
    max_age_days: float | None = None

    @property
    def name(self) -> str:
        return "evidence"

    @property
    def wanted(self) -> str:
        age = "" if self.max_age_days is None else f" within {self.max_age_days:g} days"
        return f"evaluated{age} {self.photos}"

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """An evaluation on another digest of the data set does not count."""
        evidence = self.photos.evidence(candidate)
        if evidence is None:
            return self.photos.missing(candidate)
        step = self.photos.missing(candidate).next_step
        good = fresh(evidence.at, self.max_age_days)
        return Finding(good, age_of(evidence.at), evidence.run_id, "" if good else step)


@dataclass(frozen=True, slots=True)
class Precisions:
    """Precisions that answer like f32, as measured when the version was packaged."""

    min_agreement: float
    only: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "precisions"

    @property
    def wanted(self) -> str:
        which = ", ".join(self.only) or "each precision"
        return f"{which} agrees with f32 on >= {self.min_agreement:g}"

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """Every precision besides f32 that the version has, or those named, which it must have."""
        asked = self.only or tuple(name for name in candidate.precisions if name != "f32")
        if not asked:
            return Finding(True, "f32 only")
        agreements = {name: candidate.measured.get(name, {}).get("agreement") for name in asked}
        found = ", ".join(
            f"{name} {'not measured' if value is None else figure(value)}"
            for name, value in agreements.items()
        )
        passed = all(value is not None and value >= self.min_agreement for value in agreements.values())
        measured = None not in agreements.values()
        step = "" if measured else f"stagewright register {candidate.name} --golden DIR --precision …"
        return Finding(passed, found, next_step=step)


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
