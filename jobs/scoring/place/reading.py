"""On a worker: the rows of a plan that lies in an object store, which Spark's own readers may not reach.

Travels by value to executors, where nothing of stagewright is installed: the standard library and pyarrow.
"""

import sys
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import cloudpickle

from .stores import Store

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


def reader(store: Store, name: str) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function for `mapInArrow`: numbers of row groups in, their rows out."""

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with store.open(name) as file:
            rows = pq.ParquetFile(file)
            for batch in batches:
                for group in batch.column(0).to_pylist():
                    yield from rows.read_row_group(group).to_batches()

    return read
