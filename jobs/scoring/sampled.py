"""A few photos scored and thrown away, to know how long a job would take."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame

from ..spark import memory
from ..spark.faults import ANEW, explained
from .options import ScoreOptions
from .report import in_order
from .udf import Subject, predictions

# Photos for each worker: to be ready, then more and more of them, so that what it takes to start does not count.
_FIRST, _MORE, _STEADY, _MOST, _GROWS = 4, 8, 128, 2048, 4
_LONG_ENOUGH_S, _TOO_LONG_S = 3.0, 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """`photos`, scored by `workers` at once, at `rate` a second once these were ready, which took `ready_s`.

    `worker_bytes`: what one of them had resident at most.
    """

    photos: int
    rate: float
    ready_s: float
    workers: int
    worker_bytes: int
    by_status: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Timed:
    seconds: float
    by_status: Mapping[str, int]

    @property
    def photos(self) -> int:
        return sum(self.by_status.values())


def sample(
    some: Callable[[int], DataFrame], subject: Subject, options: ScoreOptions, workers: int
) -> Sample | None:
    """Of photos that `some` gives as many of as it is asked for, if it has them; None where it has none."""

    def timed(each: int) -> _Timed:
        photos = some(each * workers).repartition(workers)
        return _timed(predictions(photos, subject, options))

    with explained(ANEW):
        ready = timed(_FIRST)
        if not ready.photos:
            return None
        before, last = _grown(timed, workers)
        most = memory.most_of_a_worker(some(1).sparkSession, workers)
    return Sample(last.photos, _rate(before, last), ready.seconds, workers, most, in_order(last.by_status))


def _grown(timed: Callable[[int], _Timed], workers: int) -> tuple[_Timed, _Timed]:
    """The last two of more and more photos, each time until they take long enough; the same twice if one has to do."""
    each = _MORE
    before = last = timed(each)
    while last.photos == each * workers and each < _MOST:
        if last.seconds >= _TOO_LONG_S or (last.seconds >= _LONG_ENOUGH_S and each >= _STEADY):
            break
        each *= _GROWS
        before, last = last, timed(each)
    return before, last


def _rate(before: _Timed, last: _Timed) -> float:
    """By what more photos took more: each time some of it goes into starting."""
    if last.photos > before.photos and last.seconds > before.seconds:
        return (last.photos - before.photos) / (last.seconds - before.seconds)
    return last.photos / last.seconds


def _timed(scored: DataFrame) -> _Timed:
    started = time.monotonic()
    rows = scored.groupBy("status").count().collect()
    return _Timed(time.monotonic() - started, {row["status"]: row["count"] for row in rows})
