"""Figures of evaluations: a floor, and how far they may be from those of the version now in the stage."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from registry.gates.evidence import Evidence
from registry.gates.figures import NOBODY_THERE, figure, no_metric
from registry.gates.gate import Finding, Gate
from registry.gates.photos import OnPhotos, photos_of
from registry.toml_tables import Table
from registry.versions import ModelVersion

# 0.90 - 0.89 is a little more than 0.01.
_ROUNDING = 1e-9
# As long as an author of MLflow metrics would write one.
MAX_METRIC_CHARS = 60


@dataclass(frozen=True, slots=True)
class Floor(OnPhotos):
    """A figure that is at least, or where less is better at most, a number."""

    metric: str
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
class Change(OnPhotos):
    """A figure that is better than that of the version now in the stage, on the same photos, by so much.

    `min_absolute_change` and `min_relative_change` are those of `mlflow.models.MetricThreshold`, and MLflow
    itself decides, so that a team that uses both gets one answer. `max_drop` is what MLflow cannot say: how
    much worse a figure may be.
    """

    metric: str
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


def read(table: Table) -> Iterator[Gate]:
    """Each of `[[STAGE.metrics]]`."""
    for metric in table.tables("metrics"):
        yield from _of_metric(metric)


def _of_metric(table: Table) -> Iterator[Gate]:
    metric, photos = table.needed_text("metric"), photos_of(table)
    if len(metric) > MAX_METRIC_CHARS:
        raise table.wrong("metric", f"has more than {MAX_METRIC_CHARS} characters: {metric!r}")
    greater = table.flag("greater_is_better", default=True)
    threshold = table.number("threshold")
    bounds = {
        "min_absolute_change": table.number("min_absolute_change", low=0),
        "min_relative_change": table.number("min_relative_change", low=0, high=1),
        "max_drop": table.number("max_drop", low=0),
    }
    table.finish()
    asked = [Bound(name, amount) for name, amount in bounds.items() if amount is not None]
    for bound in asked:
        if bound.amount == 0 and bound.name != "max_drop":
            raise table.wrong(bound.name, "must be above 0; for `not worse` write max_drop = 0")
    if threshold is None and not asked:
        raise table.wrong("metric", f"{metric!r} is asked for nothing; give threshold, {', '.join(bounds)}")
    if threshold is not None:
        yield Floor(photos, metric, threshold, greater)
    for bound in asked:
        yield Change(photos, metric, bound, greater)
