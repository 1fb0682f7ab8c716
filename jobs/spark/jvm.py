"""What only Spark's JVM knows. Nothing else reaches through a session into it, and Spark Connect has none."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import DataFrame, SparkSession

from .paths import as_address

END_S = 10.0
_LOOK_S = 0.05
# A metric of Spark's nodes for Python functions, by the names that its UI shows.
_ANSWERED = "number of output rows"
_PYTHON = ("EvalPython", "MapInArrow")
# How far back the running ones among a session's queries are looked for.
_LATEST_QUERIES = 50
# How Hadoop's FileStatus shows a file; a path may hold anything but NUL, by which they are parted here.
_FILE = re.compile(
    r"FileStatus\{path=(.*); isDirectory=false; length=(\d+); .*?modification_time=(\d+);", re.DOTALL
)

# --- the process


def launch(settings: Mapping[str, str], log: Path | None) -> None:
    """Start this process's JVM, if it has none. What that says goes to `log`, else to stderr; stdout is for answers."""
    if SparkContext._gateway is not None:
        return
    conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    with log.open("ab") if log else nullcontext(sys.__stderr__) as said:
        gateway = launch_gateway(conf, {"stdout": said, "stderr": said})  # type: ignore[no-untyped-call]
        SparkContext._ensure_initialized(gateway=gateway)


def activate(spark: SparkSession) -> None:
    """Have a session that another thread has made be the active one of this thread too."""
    known: Any = spark._jvm
    known.SparkSession.setActiveSession(spark._jsparkSession)


def kill(launching: Thread) -> None:
    """End the JVM that another thread is at work with, or is about to start."""
    launched = None
    while launched is None and launching.is_alive():
        launched = getattr(SparkContext._gateway, "proc", None)
        launching.join(_LOOK_S)
    if launched is not None:
        launched.kill()
        launched.wait()


def end(wait_s: float = END_S) -> None:
    """End the JVM that PySpark has started, if it has, and wait for that: it clears up its temporary files."""
    gateway = SparkContext._gateway
    started = getattr(gateway, "proc", None)
    if started is None:
        return
    context = SparkContext._active_spark_context
    if context is not None:
        # The thread that counts for Spark would tell the console that the other end is gone.
        counter: Any = context._accumulatorServer
        counter.handle_error = lambda request, client: None
    started.stdin.close()  # as when this process ends
    with suppress(subprocess.TimeoutExpired):
        started.wait(wait_s)


def heap_bytes(spark: SparkSession) -> int:
    """How large the heap of the driver's JVM may become."""
    known: Any = spark._jvm
    return int(known.java.lang.Runtime.getRuntime().maxMemory())


# --- files


def exists(spark: SparkSession, path: str) -> bool:
    """Whether there is anything at a path of whatever file system Hadoop knows."""
    files, place = _hadoop(spark, path)
    return bool(files.exists(place))


def is_folder(spark: SparkSession, path: str) -> bool:
    """Whether it is one; so for s3a: and hdfs: too."""
    files, place = _hadoop(spark, path)
    return bool(files.isDirectory(place))


def qualified(spark: SparkSession, path: str) -> str:
    """A path as Spark writes it in a column, its file system in front."""
    files, place = _hadoop(spark, path)
    return str(files.makeQualified(place).toString()).rstrip("/")


def scheme(spark: SparkSession, path: str) -> str:
    """The name of its file system, such as `file`."""
    return str(_hadoop(spark, path)[0].getUri().getScheme())


def reaches(spark: SparkSession, path: str) -> bool:
    """Whether Spark has the jars for a path's file system."""
    try:
        _hadoop(spark, path)
    except Py4JJavaError:
        return False
    return True


def _hadoop(spark: SparkSession, path: str) -> tuple[Any, Any]:
    jvm = spark._jvm
    assert jvm is not None
    place = jvm.org.apache.hadoop.fs.Path(path)
    return place.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()), place


# --- what a DataFrame of files has listed


@dataclass(frozen=True, slots=True)
class Listed:
    """Files that Spark has listed: how many, and their bytes in all."""

    files: int
    size: int


def listed(frame: DataFrame) -> Listed:
    """Of a DataFrame that reads files."""
    index = _index(frame)
    return Listed(int(index.allFiles().size()), int(index.sizeInBytes()))


def empty_files(frame: DataFrame) -> list[tuple[str, datetime]]:
    """Path and time of the files of 0 bytes, which Spark lists and then leaves out of every scan without a word.

    One call into the JVM whatever the number of files: one for each took 20 times as long as listing them.
    """
    index = _index(frame)
    if index.allFiles().size() == sum(files.size() for files in _scanned(frame.sparkSession, index)):
        return []
    return [(file.path, file.modified_at) for file in _shown(index.allFiles()) if not file.size]


def listed_paths(frame: DataFrame) -> list[str]:
    """The path of each file, also of those that a scan leaves out; in one call, as `empty_files`."""
    return [file.path for file in _shown(_index(frame).allFiles())]


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that a DataFrame reads: its address as the column `_metadata.file_path` has it, bytes, time of change."""

    path: str
    size: int
    modified_at: datetime


def has_files(frame: DataFrame) -> bool:
    """Whether each row of `frame` can be asked which file it is from, and where in it its split begins."""
    shown = str(frame._jdf.queryExecution().analyzed().metadataOutput().mkString(" "))
    return "_metadata#" in shown


def input_files(frame: DataFrame) -> list[InputFile]:
    """All that `frame`, which `has_files`, reads; empty ones too."""
    found = (file for files in _scanned(frame.sparkSession, _index(frame)) for file in _shown(files))
    return [replace(file, path=as_address(file.path)) for file in found]


def _shown(files: Any) -> Iterator[InputFile]:
    """Of a Scala sequence of Hadoop's FileStatus; paths as Hadoop has them."""
    for file in map(_FILE.search, str(files.mkString("\0")).split("\0")):
        if file:
            yield InputFile(file[1], int(file[2]), datetime.fromtimestamp(int(file[3]) / 1000, UTC))


def _index(frame: DataFrame) -> Any:
    """Spark's list of the files that `frame` reads: an InMemoryFileIndex."""
    return frame._jdf.queryExecution().optimizedPlan().collectLeaves().head().relation().location()


def _scanned(spark: SparkSession, index: Any) -> Iterator[Any]:
    """The files that a scan reads, a Scala sequence for each folder."""
    jvm = spark._jvm
    assert jvm is not None
    no_filters = getattr(getattr(jvm.scala.collection.immutable, "Nil$"), "MODULE$")
    return (folder.files() for folder in _each(index.listFiles(no_filters, no_filters)))


def packing(spark: SparkSession) -> tuple[int, int]:
    """Bytes that go into one task, and what opening a file counts as; see spark.sql.files."""
    settings = spark._jsparkSession.sessionState().conf()
    return int(settings.filesMaxPartitionBytes()), int(settings.filesOpenCostInBytes())


# --- what is running


def newest_query(spark: SparkSession) -> int:
    """The id of the session's last query; -1 before the first."""
    return max((query.executionId() for query in _latest(spark)), default=-1)


def rows_answered(spark: SparkSession, earlier: int) -> int:
    """What came back from Python in the queries that run: not what was read, which is thousands of photos ahead.

    Spark counts it at the end of a task, and as of the last heartbeat for those that run. Queries up to the id
    `earlier` are somebody else's.
    """
    running = (
        query
        for query in _latest(spark)
        if query.executionId() > earlier and not query.completionTime().isDefined()
    )
    return sum(_answered(spark, query.executionId()) for query in running)


def _answered(spark: SparkSession, query: int) -> int:
    """By the last of a query's steps in Python, which has answered the fewest."""
    store = _queries(spark)
    values = store.executionMetrics(query)
    steps = (
        node
        for node in _each(store.planGraph(query).allNodes())
        if any(name in node.name() for name in _PYTHON)
    )
    counters = ([metric for metric in _each(step.metrics()) if metric.name() == _ANSWERED] for step in steps)
    return min((sum(_count(values.get(m.accumulatorId())) for m in step) for step in counters), default=0)


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
