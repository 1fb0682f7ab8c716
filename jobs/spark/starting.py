"""Spark starts while the driver does what needs none: it imports, asks the registry, fetches and verifies.

Only a local master: a cluster is not to hear of a job before it is known that there will be one.
"""

import gc
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from threading import Thread

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.sql import SparkSession

from . import jvm, session

# What a worker needs for any model, and takes seconds to import.
IMPORTS = ("mlflow.pyfunc", "openvino", "pandas", "PIL.Image")

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


class Start:
    """A session on its way. `master`, `settings` and `log` as `session.open_session` has them."""

    def __init__(self, master: str | None, settings: Mapping[str, str], log: Path | None) -> None:
        self._asked = (master, dict(settings))
        self._log = log
        self._failed: Exception | None = None
        self._opened: SparkSession | None = None
        self._opening: Thread | None = None
        self._warming: Thread | None = None

    def begin(self) -> None:
        """In the background, where that can be."""
        if session.is_own_local(*self._asked):
            self._opening = Thread(target=self._open, name="spark", daemon=True)
            self._opening.start()

    def session(self, master: str | None, settings: Mapping[str, str]) -> SparkSession:
        """The session, once it is there, with these settings. Raises as `session.open_session` does."""
        if self._opening is not None:
            self._opening.join()
        if self._failed is not None:
            raise self._failed
        if self._opened is not None and self._asked == (master, dict(settings)):
            jvm.activate(self._opened)
            return self._opened
        if self._opened is not None:
            self._opened.stop()  # a setting that follows from the model: its JVM will do
        return session.open_session(master, settings, self._log)

    def abandon(self) -> None:
        """End what is not needed, whether it is there yet or not."""
        if self._opening is None or not self._opening.is_alive():
            return
        logging.getLogger("py4j").setLevel(logging.CRITICAL)  # the thread's connection breaks
        jvm.kill(self._opening)

    def _open(self) -> None:
        try:
            self._opened = session.open_session(*self._asked, self._log)
        except Exception as error:
            self._failed = error
            return
        self._warming = Thread(target=_warm, args=(self._opened,), name="warm", daemon=True)
        self._warming.start()


@contextmanager
def started(master: str | None, settings: Mapping[str, str], log: Path | None) -> Iterator[Start]:
    """A session that starts meanwhile."""
    start = Start(master, settings, log)
    start.begin()
    try:
        yield start
    finally:
        start.abandon()


def _warm(spark: SparkSession) -> None:
    """Have the JVM and each core's worker load what every job needs; what fails here fails, and is told, in the job."""
    with suppress(Exception):
        cores = spark.sparkContext.defaultParallelism
        spark.range(0, cores, 1, cores).mapInArrow(_imported, "id long").collect()


def _imported(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    gc.disable()  # what is imported stays, and each look for garbage would go through it
    try:
        for name in IMPORTS:
            with suppress(ImportError):
                import_module(name)
    finally:
        gc.enable()
    yield from rows
