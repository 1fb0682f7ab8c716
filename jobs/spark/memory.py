"""How much memory workers took, asked of them. Travels by value, as `arrivals` does."""

import os
import resource
import sys
from collections.abc import Iterator

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.sql import SparkSession

# Linux counts in KiB, macOS in bytes: getrusage(2).
_UNIT = 1 if sys.platform == "darwin" else 1024

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


def most_of_a_worker(spark: SparkSession, workers: int) -> int:
    """The most bytes that one of so many workers had resident at any time, those that ran last among them."""
    rows = spark.range(0, workers, 1, workers).mapInArrow(_most, "pid long, bytes long").collect()
    return max(int(row["bytes"]) for row in rows)


def _most(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for _ in rows:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
        yield pa.RecordBatch.from_pydict({"pid": [os.getpid()], "bytes": [most]})
