"""What differs between two jobs: distances between their distributions, and a plain sentence on each difference."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import jensenshannon

from .figures import Figures
from .gathering import BINS
from .page import percent
from .text import shown

_SHIFTS = 12
_SURE = BINS * 9 // 10


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two samples are apart: 0 where all shares are equal, 1 where nothing occurs in both.

    `js`: the Jensen-Shannon distance, the root of the divergence to base 2 (Lin, Divergence measures based on the
    Shannon entropy, IEEE Trans. Inf. Theory 37, 1991; that its root is a metric: Endres and Schindelin, ibid. 49,
    2003). `by_chance`: about how far two samples of these sizes from one distribution are apart.
    """

    js: float
    by_chance: float

    @classmethod
    def between(cls, now: Mapping[str, int], before: Mapping[str, int]) -> "Distance":
        """Of counts by kind, in each of which something was counted."""
        kinds = [*now, *(kind for kind in before if kind not in now)]
        counts = np.array([[each.get(kind, 0) for kind in kinds] for each in (now, before)], dtype=float)
        sizes = counts.sum(axis=1)
        js = float(jensenshannon(*(counts / sizes[:, None]), base=2))
        # To second order the divergence is the sum of (p - q)^2 / (8 m) nats, m being the mean of p and q; with
        # p - q of variance m (1 - m) (1/a + 1/b), that is (kinds - 1) (1/a + 1/b) / 8 on average.
        nats = (len(kinds) - 1) * float((1 / sizes).sum()) / 8
        return cls(0.0 if math.isnan(js) else js, min(1.0, math.sqrt(nats / math.log(2))))

    @property
    def is_chance(self) -> bool:
        """Whether samples of one distribution would often be so far apart: eight times the divergence over
        (1/a + 1/b) is about chi-squared, and beyond twice `by_chance` that is in less than 5 % of cases.
        """
        return self.js <= max(2 * self.by_chance, 1e-6)


@dataclass(frozen=True, slots=True)
class Shift:
    """One label's share of the photos with a label, 0 to 1."""

    label: str
    now: float
    before: float


@dataclass(frozen=True, slots=True)
class Changes:
    """`says`: a sentence each on labels, confidence, faults and speed, as far as there is something to say.

    `shifts`: the labels whose shares changed most, the most first; `confidence`: the shares of each bin, now and
    before. Distances are None where either job has no labels.
    """

    says: Sequence[str]
    labels: Distance | None = None
    scores: Distance | None = None
    shifts: Sequence[Shift] = ()
    confidence: tuple[Sequence[float], Sequence[float]] = ((), ())


@dataclass(frozen=True, slots=True)
class Since:
    """A job beside the last one of its stage. `says`: which that was, or why there is none; then no `changes`."""

    says: str
    changes: Changes | None = None


def changes(now: Figures, before: Figures) -> Changes:
    """Between two jobs with rows."""
    faults_and_speed = [_faults(now, before), *_speed(now, before)]
    if not all(sum(each.by_label.values()) and sum(each.confidence) for each in (now, before)):
        return Changes(faults_and_speed)
    labels = Distance.between(now.by_label, before.by_label)
    scores = Distance.between(*(_by_bin(each.confidence) for each in (now, before)))
    shifts = _shifts(now.by_label, before.by_label)
    confidence = (_shares(now.confidence), _shares(before.confidence))
    says = [_labels(labels, shifts, now, before), _confidence(scores, confidence), *faults_and_speed]
    return Changes(says, labels, scores, shifts, confidence)


def _by_bin(confidence: Sequence[int]) -> dict[str, int]:
    """Only those that hold something: the others are no kinds that could have occurred."""
    return {str(at): count for at, count in enumerate(confidence) if count}


def _shifts(now: Mapping[str, int], before: Mapping[str, int]) -> list[Shift]:
    totals = sum(now.values()), sum(before.values())
    found = [
        Shift(label, now.get(label, 0) / totals[0], before.get(label, 0) / totals[1])
        for label in now.keys() | before.keys()
    ]
    return sorted(found, key=_by_size)[:_SHIFTS]


def _by_size(shift: Shift) -> tuple[float, float, str]:
    """Of equal ones the rarer label first, whose share changed by the larger factor."""
    return -round(abs(shift.now - shift.before), 9), shift.now + shift.before, shift.label


def _shares(counts: Sequence[int]) -> list[float]:
    total = max(1, sum(counts))
    return [count / total for count in counts]


def _labels(distance: Distance, shifts: Sequence[Shift], now: Figures, before: Figures) -> str:
    most = shifts[0]
    example = (
        f"{percent(most.now)} of photos are now {shown(most.label, 60)!r}, {percent(most.before)} before"
    )
    new, gone = (len(a.by_label.keys() - b.by_label.keys()) for a, b in ((now, before), (before, now)))
    appeared = f"; {new:,} new among the labels, {gone:,} gone" if new or gone else ""
    if distance.is_chance:
        return (
            f"Labels are spread as before, as far as so many photos can tell: {example}; {_apart(distance)}."
        )
    return f"{example}{appeared}; {_apart(distance)}."


def _confidence(distance: Distance, shares: tuple[Sequence[float], Sequence[float]]) -> str:
    now, before = (sum(each[_SURE:]) for each in shares)
    example = f"{percent(now)} of labels have a score of 0.9 or more now, {percent(before)} before"
    if distance.is_chance:
        return f"Confidence is spread as before, as far as so many photos can tell: {example}; {_apart(distance)}."
    return f"{example}; {_apart(distance)}."


def _apart(distance: Distance) -> str:
    return f"distance {distance.js:.3f}, by chance about {distance.by_chance:.3f}"


def _faults(now: Figures, before: Figures) -> str:
    says = f"{percent(_of(now, now.bad))} of photos have no prediction now, {percent(_of(before, before.bad))} before"
    statuses = {*now.by_status, *before.by_status} - {"ok"}
    most = max(sorted(statuses), key=lambda status: abs(_moved(status, now, before)), default="")
    if not most or not _moved(most, now, before):
        return f"{says}."
    shares = (percent(_of(each, each.by_status.get(most, 0))) for each in (now, before))
    return f"{says}; {shown(most, 40)!r} changed most: {' now, '.join(shares)} before."


def _moved(status: str, now: Figures, before: Figures) -> float:
    return _of(now, now.by_status.get(status, 0)) - _of(before, before.by_status.get(status, 0))


def _of(figures: Figures, count: int) -> float:
    return count / max(1, figures.rows)


def _speed(now: Figures, before: Figures) -> list[str]:
    if not now.rate or not before.rate:
        return []
    times = now.rate / before.rate
    return [f"{now.rate:,.1f} photos a second now, {before.rate:,.1f} before: {times:.2f} times as fast."]
