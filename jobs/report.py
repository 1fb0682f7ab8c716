"""What happened: rows by status, throughput, version, and where the predictions are."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from pyfunc_models import Status

from .errors import ErrorBudgetExceeded

ROWS = "rows"
PROGRESS_EVERY_S = 2.0
# A metric of Spark's node for Python UDFs, by the name that its UI shows.
_ANSWERED = "number of output rows"
# How far back the running ones among a session's queries are looked for.
_LATEST_QUERIES = 50


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """The counts of one scoring job. `by_status` has every status that occurred; `seconds` is the Spark job's."""

    model_name: str
    model_version: int
    model_digest: str
    requested: str
    scoring_run_id: str
    input: str
    output: str
    rows: int
    by_status: dict[str, int]
    seconds: float

    @property
    def images_per_second(self) -> float:
        """All rows by the wall time of the Spark job, its start-up of workers included."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def error_rate(self) -> float:
        """The share of rows without a prediction, 0 to 1."""
        return 1 - self.by_status.get(Status.OK.value, 0) / self.rows if self.rows else 0.0

    def check_budget(self, max_error_rate: float) -> None:
        """Raises ErrorBudgetExceeded where more rows than that share have no prediction."""
        if self.error_rate > max_error_rate:
            faults = {status: count for status, count in self.by_status.items() if status != Status.OK}
            raise ErrorBudgetExceeded(
                f"{self.error_rate:.2%} of {self.rows:,} rows have no prediction ({_counts(faults)}), more than the "
                f"{max_error_rate:.2%} that --max-error-rate allows. Everything that was scored is in "
                f"{self.output!r}; its column `error` says what is wrong with each row.",
                self,
            )

    def document(self) -> dict[str, Any]:
        """For `--json` and the MLflow run."""
        return {
            **asdict(self),
            "error_rate": round(self.error_rate, 6),
            "images_per_second": round(self.images_per_second, 2),
        }

    def lines(self) -> list[str]:
        """For a person."""
        return [
            f"model    models:/{self.model_name}/{self.model_version}  (asked for as {self.requested})",
            f"rows     {self.rows:,}  ({_counts(self.by_status)})",
            f"speed    {self.images_per_second:,.1f} images a second, {self.seconds:,.1f} s",
            f"output   {self.output}",
            f"run      {self.scoring_run_id}",
        ]


def _counts(by_status: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {status}" for status, count in by_status.items()) or "no rows"


def observed(predictions: DataFrame) -> tuple[DataFrame, Observation]:
    """`predictions`, and what counts its rows by status while they are written: no second pass."""
    counts: list[Column] = [
        F.count_if(F.col("status") == status.value).alias(status.value) for status in Status
    ]
    observation = Observation("stagewright")
    return predictions.observe(observation, F.count(F.lit(1)).alias(ROWS), *counts), observation


def by_status(observation: Observation) -> tuple[int, dict[str, int]]:
    """Rows in all, and those of each status that occurred, after the frame was evaluated."""
    counts = dict(observation.get)
    rows = int(counts.pop(ROWS))
    return rows, {status: int(count) for status, count in counts.items() if count}


@contextmanager
def progress(spark: SparkSession, say: Callable[[str], None]) -> Iterator[None]:
    """Tell `say` every few seconds how far the running Spark jobs are: rows, images a second, time left."""
    done = threading.Event()
    started = time.monotonic()
    earlier = max((query.executionId() for query in _latest(spark)), default=-1)

    def tell() -> None:
        while not done.wait(PROGRESS_EVERY_S):
            line = _progress_line(spark, earlier, time.monotonic() - started)
            if line:
                say(line)

    teller = threading.Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _progress_line(spark: SparkSession, earlier: int, elapsed_s: float) -> str | None:
    tracker = spark.sparkContext.statusTracker()
    stages = [info for stage in tracker.getActiveStageIds() if (info := tracker.getStageInfo(stage))]
    tasks = sum(stage.numTasks for stage in stages)
    finished = sum(stage.numCompletedTasks for stage in stages)
    rows = _rows_answered(spark, earlier)
    if not rows:  # nothing to tell while workers start
        return None
    left = (
        f"about {elapsed_s * (tasks - finished) / finished:,.0f} s left" if finished else "time left unknown"
    )
    return f"{rows:,} rows, {rows / elapsed_s:,.1f} images a second, {finished}/{tasks} tasks, {left}"


def _rows_answered(spark: SparkSession, earlier: int) -> int:
    """What came back from Python in the queries that run: not what was read, which is thousands of photos ahead.

    Spark counts it at the end of a task, and as of the last heartbeat for those that run. Queries up to the id
    `earlier` are somebody else's.
    """
    store = _queries(spark)
    rows = 0
    for query in _latest(spark):
        if query.executionId() <= earlier or query.completionTime().isDefined():
            continue
        values = store.executionMetrics(query.executionId())
        for node in _each(store.planGraph(query.executionId()).allNodes()):
            if "EvalPython" in node.name():
                counters = (metric for metric in _each(node.metrics()) if metric.name() == _ANSWERED)
                rows += sum(_count(values.get(metric.accumulatorId())) for metric in counters)
    return rows


def _latest(spark: SparkSession) -> Iterator[Any]:
    """The session's newest queries. Spark forgets old ones, so a place in its list says nothing: ids do."""
    store = _queries(spark)
    first = max(0, store.executionsCount() - _LATEST_QUERIES)
    return _each(store.executionsList(first, _LATEST_QUERIES))


def _queries(spark: SparkSession) -> Any:
    """What Spark's UI knows of SQL queries."""
    return spark._jsparkSession.sharedState().statusStore()


def _count(value: Any) -> int:
    """Of an option of a formatted number: `1,041`."""
    return int(str(value.get()).replace(",", "")) if value.isDefined() else 0


def _each(sequence: Any) -> Iterator[Any]:
    """Of a Scala sequence."""
    return (sequence.apply(i) for i in range(sequence.size()))
