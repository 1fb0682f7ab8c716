"""What nobody would hear of otherwise: Spark waits for executors, and only its log says so."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pyspark.sql import SparkSession

from ..meanwhile import every
from . import connect

EVERY_S = 2.0
PATIENCE_S = 20.0
"""Executors of a cluster that has room are there sooner."""
FOR_EXECUTORS = (
    "Spark has begun no task for {seconds:.0f} s: it waits for executors, and the cluster has none for it. Its "
    "master's page tells who has them; --conf says what is asked for: spark.cores.max, spark.executor.cores, "
    "spark.executor.memory, spark.task.resource.*. The job goes on once there is one."
)


@contextmanager
def told_of(spark: SparkSession, say: Callable[[str], None]) -> Iterator[None]:
    """Tell `say` once each time that stages wait and no task runs for PATIENCE_S, while inside.

    Not on a local master, whose executor is the driver itself, nor of a Spark Connect server.
    """
    if connect.is_one(spark) or (spark.sparkContext.master or "").startswith("local"):
        yield
        return
    wait = Wait(spark, say)
    with every(EVERY_S, wait.look, "waiting"):
        yield


class Wait:
    """How long stages have waited without a task that runs."""

    def __init__(
        self, spark: SparkSession, say: Callable[[str], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._tracker = spark.sparkContext.statusTracker()
        self._say = say
        self._now = now
        self._since: float | None = None
        self._told = False

    def look(self) -> None:
        """Tell of it, if it is time to."""
        with suppress(Exception):  # a session that ends meanwhile is no matter of this thread
            if not self._waits():
                self._since, self._told = None, False
                return
            self._since = self._since or self._now()
            waited = self._now() - self._since
            if waited >= PATIENCE_S and not self._told:
                self._told = True
                self._say(FOR_EXECUTORS.format(seconds=waited))

    def _waits(self) -> bool:
        stages = [self._tracker.getStageInfo(stage) for stage in self._tracker.getActiveStageIds()]
        begun = [stage for stage in stages if stage is not None]
        return bool(begun) and not any(stage.numActiveTasks for stage in begun)
