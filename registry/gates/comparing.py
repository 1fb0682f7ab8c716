"""Gates on comparisons: the version beside the one that is in the stage now, photo by photo."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from registry.gates import steps
from registry.gates.evidence import Comparison, comparisons_of
from registry.gates.figures import NOBODY_THERE, age_of, figure, fresh, no_metric
from registry.gates.gate import Finding, Gate
from registry.gates.photos import dataset_of
from registry.gates.signed_figures import signed_comparison
from registry.toml_tables import Table
from registry.trust.signing import PublicKey
from registry.versions import ModelVersion

# How comparisons name their figures.
MCNEMAR_P = "mcnemar_p"
ONLY_CANDIDATE_RIGHT = "only_b_right"
ONLY_OTHER_RIGHT = "only_a_right"


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison with the version now in the stage: how often both say the same, or that it is not worse.

    `metric` is `agreement`, at least `bound`, or MCNEMAR_P: worse on more photos than it is better, with a p of
    McNemar's test below `bound`, fails.
    """

    metric: str
    bound: float
    dataset: str
    max_age_days: float | None = None
    keys: tuple[PublicKey, ...] = ()

    @property
    def name(self) -> str:
        return f"comparison-{self.metric.replace('_', '-')}"

    @property
    def wanted(self) -> str:
        age = "" if self.max_age_days is None else f" within {self.max_age_days:g} days"
        asked = f"not worse at p < {self.bound:g}" if self.metric == MCNEMAR_P else f">= {self.bound:g}"
        return f"{asked} on {self.dataset}{age}" + (", signed" if self.keys else "")

    def signed_by(self, keys: tuple[PublicKey, ...]) -> Gate:
        """Only signed figures count."""
        return replace(self, keys=keys)

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """Passes where no version is there yet; without a comparison with that very version it fails."""
        if current is None:
            return Finding(True, NOBODY_THERE)
        step = steps.compare(current, candidate, self.dataset, signed=bool(self.keys))
        comparison = self._comparison(candidate, current)
        if comparison is None:
            return Finding(False, f"not compared with version {current.number}", next_step=step)
        if self.keys:
            comparison = signed_comparison(candidate, comparison, current, self.keys)
        if comparison is None:
            return Finding(False, "not signed by these keys", next_step=step)
        if not fresh(comparison.at, self.max_age_days):
            return Finding(False, age_of(comparison.at), comparison.run_id, step)
        return self._judged(comparison)

    def _comparison(self, candidate: ModelVersion, current: ModelVersion) -> Comparison | None:
        wanted = (current.number, self.dataset)
        found = comparisons_of(candidate)
        return next((one for one in found if (one.against, one.dataset) == wanted), None)

    def _judged(self, comparison: Comparison) -> Finding:
        # A comparison without labels leaves NaN in place of what an earlier one with labels knew.
        known = {name: value for name, value in comparison.metrics.items() if not math.isnan(value)}
        needed = (MCNEMAR_P, ONLY_CANDIDATE_RIGHT, ONLY_OTHER_RIGHT)
        for metric in needed if self.metric == MCNEMAR_P else (self.metric,):
            if metric not in known:
                return no_metric(metric, known, comparison.run_id)
        value = known[self.metric]
        if self.metric != MCNEMAR_P:
            return Finding(value >= self.bound, figure(value), comparison.run_id)
        better, worse = known[ONLY_CANDIDATE_RIGHT], known[ONLY_OTHER_RIGHT]
        found = f"better on {better:g}, worse on {worse:g} photos, p {value:.3g}"
        return Finding(better >= worse or value >= self.bound, found, comparison.run_id)


def read(table: Table) -> Iterator[Gate]:
    """Each of `[[STAGE.comparisons]]`."""
    for comparison in table.tables("comparisons"):
        yield from _of_comparison(comparison)


def _of_comparison(table: Table) -> Iterator[Gate]:
    dataset, age = dataset_of(table), table.number("max_age_days", low=0)
    bounds = {
        "agreement": table.number("min_agreement", low=0, high=1),
        MCNEMAR_P: table.number("not_worse_p", low=0, high=1),
    }
    table.finish()
    asked = [(metric, bound) for metric, bound in bounds.items() if bound is not None]
    if not asked:
        raise table.wrong("dataset", f"{dataset!r} is asked for nothing; give min_agreement or not_worse_p")
    for metric, bound in asked:
        yield Compared(metric, bound, dataset, age)
