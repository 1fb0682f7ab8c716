"""How far the running Spark jobs are: what their tasks have told, what workers have read, and what Spark counts."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pyspark.sql import SparkSession

from .. import scratch
from ..meanwhile import every
from ..telling import Lines, Shows, Step
from . import connect, jvm, tally

EVERY_S = 1.0
# Over which the rate is taken: long enough for Spark's heartbeats, which come every ten seconds.
_WINDOW_S = 60.0
_PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class Known:
    """What a job knows of its rows besides what Spark counts.

    `before`: those that were there when it began; `told`: what tasks have told of since, `bad` rows without a
    prediction; `total`: how many there will be. None where that is not known.
    """

    before: int = 0
    told: int = 0
    bad: int | None = None
    total: int | None = None


@contextmanager
def progress(
    spark: SparkSession, say: Callable[[str], None], known: Callable[[], Known] = Known
) -> Iterator[None]:
    """Tell `say` how far the running Spark jobs are: each second if it can show steps, else by lines now and then.

    Nothing is told of those on a Spark Connect server.
    """
    if connect.is_one(spark):  # what its server counts is in the server's own UI
        yield
        return
    steps = _Steps(spark, known)
    show = say if isinstance(say, Shows) else Lines(say)

    def tell() -> None:
        with suppress(Exception):  # what fails here fails, and is told, in the job
            step = steps.now()
            if step is not None:
                show.step(step)

    with every(EVERY_S, tell, "progress"):
        yield


class _Steps:
    """Of what runs from now on."""

    def __init__(self, spark: SparkSession, known: Callable[[], Known]) -> None:
        self._spark = spark
        self._known = known
        self._earlier = jvm.newest_query(spark)
        self._read_before = tally.read(scratch.folder())
        self._started = time.monotonic()
        self._seen: deque[tuple[float, int]] = deque()

    def now(self) -> Step | None:
        """None while workers start, and until two looks tell how quick they are."""
        known, elapsed = self._known(), time.monotonic() - self._started
        read = tally.read(scratch.folder()) - self._read_before
        rows = max(known.told, jvm.rows_answered(self._spark, self._earlier), read)
        rate = self._rate(elapsed, rows)
        if rate is None:
            return None
        there = known.before + rows
        # A chunk that is told of may have been counted by Spark, and a task that is tried again is counted twice.
        there = there if known.total is None else min(there, known.total)
        return Step(there, known.total, known.bad, rate, self._tasks(), elapsed)

    def _rate(self, elapsed: float, rows: int) -> float | None:
        if not rows:
            return None
        self._seen.append((elapsed, rows))
        while elapsed - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()
        since, before = self._seen[0]
        if rows > before:
            return (rows - before) / (elapsed - since)
        # Nothing new within the window, or not yet: then all that was done by all the time that it took.
        return rows / elapsed if elapsed - since >= _PATIENCE_S else None

    def _tasks(self) -> tuple[int, int]:
        tracker = self._spark.sparkContext.statusTracker()
        stages = [info for stage in tracker.getActiveStageIds() if (info := tracker.getStageInfo(stage))]
        return sum(stage.numCompletedTasks for stage in stages), sum(stage.numTasks for stage in stages)
