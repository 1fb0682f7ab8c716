"""How far the running Spark jobs are, told every few seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from ..meanwhile import every
from . import jvm

EVERY_S = 2.0


@contextmanager
def progress(spark: SparkSession, say: Callable[[str], None]) -> Iterator[None]:
    """Tell `say` every few seconds how far the running Spark jobs are: rows, images a second, time left."""
    started = time.monotonic()
    earlier = jvm.newest_query(spark)

    def tell() -> None:
        line = _line(spark, earlier, time.monotonic() - started)
        if line:
            say(line)

    with every(EVERY_S, tell, "progress"):
        yield


def _line(spark: SparkSession, earlier: int, elapsed_s: float) -> str | None:
    tracker = spark.sparkContext.statusTracker()
    stages = [info for stage in tracker.getActiveStageIds() if (info := tracker.getStageInfo(stage))]
    tasks = sum(stage.numTasks for stage in stages)
    finished = sum(stage.numCompletedTasks for stage in stages)
    rows = jvm.rows_answered(spark, earlier)
    if not rows:  # nothing to tell while workers start
        return None
    left = (
        f"about {elapsed_s * (tasks - finished) / finished:,.0f} s left" if finished else "time left unknown"
    )
    return f"{rows:,} rows, {rows / elapsed_s:,.1f} images a second, {finished}/{tasks} tasks, {left}"
