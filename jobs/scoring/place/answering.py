"""On a worker: rows with photos become rows of the output, in the process that reads the photos.

Rows that went back to Spark would have to come to a second Python process to be written. So this says in Arrow what
`scoring.udf` says in Spark's expressions. It travels by value to executors, as `writer` does.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import cloudpickle

from ...addresses.fetching import Fetch
from ...spark.archives import FAULT
from .writer import BAD_CONTENT, CHUNK, Batches

# The column that holds the photos; it is not written.
CONTENT = "_stagewright_content"
_FAULT_FIELDS = ("status", "error")
_CHUNK = pa.field(CHUNK, pa.string())
_BAD = pa.field(BAD_CONTENT, pa.binary())

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Asked:
    """What rows become: `schema` is that of the file, with `prediction`, `status` and `error` of each answer.

    `identity`: the columns that are the same in each row. `bad_content`, where that is asked for, gives a photo's bytes
    for what CONTENT has of it. `fetch`: what makes CONTENT bytes first, where it is struct<bytes, path>.
    """

    schema: pa.Schema
    identity: Mapping[str, Any]
    bad_content: Callable[[bytes | None], bytes | None] | None = None
    fetch: Fetch | None = None


def answering(
    answer: Callable[[Iterator[pd.Series]], Iterator[pd.DataFrame]], asked: Asked
) -> Callable[[Batches], Batches]:
    """A function from batches with kept columns, CONTENT and CHUNK to those of the file, still with CHUNK.

    `answer` gives a row for each photo, in order, with fields as MLflow's UDF has them. Raises RuntimeError where it
    gives more or fewer.
    """

    def scored(batches: Batches) -> Batches:
        waiting: deque[pa.RecordBatch] = deque()

        def photos() -> Iterator[pd.Series]:
            for batch in batches if asked.fetch is None else _fetched(batches, asked.fetch):
                waiting.append(batch)
                yield _pandas(batch.column(CONTENT))

        for answers in answer(photos()):
            yield _rows(waiting.popleft(), answers, asked)
        if waiting:
            raise RuntimeError(
                f"The model gave no answer to {sum(batch.num_rows for batch in waiting)} photos."
            )

    return scored


def _pandas(content: pa.Array) -> Any:
    """As MLflow's UDF takes it: a struct is a table of its fields."""
    if pa.types.is_struct(content.type):
        return pa.RecordBatch.from_struct_array(content).to_pandas()
    return content.to_pandas()


def _fetched(batches: Batches, fetch: Fetch) -> Batches:
    """The rows in runs, as they come: with bytes as CONTENT, and FAULT, of which all is null where there is none."""
    waiting: deque[pa.RecordBatch] = deque()

    def photos() -> Iterator[pa.Array]:
        for batch in batches:
            if batch.num_rows:
                waiting.append(batch)
                yield batch.column(CONTENT)

    for run in fetch(photos()):
        batch = waiting.popleft()
        rows = batch.slice(0, len(run))
        if len(run) < batch.num_rows:
            waiting.appendleft(batch.slice(len(run)))
        fault = pa.StructArray.from_arrays([run.field(name) for name in _FAULT_FIELDS], names=_FAULT_FIELDS)
        rows = rows.set_column(rows.schema.get_field_index(CONTENT), CONTENT, run.field("content"))
        yield rows.append_column(FAULT, fault)


def _or_fault(batch: pa.RecordBatch, answers: pd.DataFrame, name: str) -> pa.Array:
    """What the model says of the rows, and where there was no photo for it to see, why not."""
    said = pa.array(answers[name], pa.string())
    if FAULT not in batch.schema.names:
        return said
    fault = batch.column(FAULT)
    return pc.if_else(fault.field("status").is_valid(), fault.field(name), said)


def _rows(batch: pa.RecordBatch, answers: pd.DataFrame, asked: Asked) -> pa.RecordBatch:
    if len(answers) != batch.num_rows:
        raise RuntimeError(f"The model gave {len(answers)} answers to {batch.num_rows} photos.")
    good = (answers["status"] == "ok").to_numpy(dtype=bool)
    schema, length = asked.schema, batch.num_rows
    made = {
        "prediction": _prediction(answers, schema.field("prediction").type, good),
        "status": _or_fault(batch, answers, "status"),
        "error": pc.if_else(pa.array(good), pa.scalar(None, pa.string()), _or_fault(batch, answers, "error")),
        **{
            name: pa.repeat(pa.scalar(value, schema.field(name).type), length)
            for name, value in asked.identity.items()
        },
    }
    columns = {field: made.get(field.name) or batch.column(field.name).cast(field.type) for field in schema}
    columns[_CHUNK] = batch.column(CHUNK)
    if asked.bad_content is not None:
        columns[_BAD] = _contents(batch.column(CONTENT), good, asked.bad_content)
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=pa.schema(list(columns)))


def _same(kind: pa.DataType, value: Any, length: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), length)


def _prediction(answers: pd.DataFrame, kind: pa.StructType, good: np.ndarray[Any, Any]) -> pa.StructArray:
    """The fields of each answer; null where there is none, for then MLflow has put blanks there."""
    fields = [pa.array(answers[field.name], field.type, from_pandas=True) for field in kind]
    return pa.StructArray.from_arrays(fields, fields=list(kind), mask=pa.array(~good))


def _contents(
    photos: pa.Array, good: np.ndarray[Any, Any], read: Callable[[bytes | None], bytes | None]
) -> pa.Array:
    return pa.array(
        [None if fine else read(photo.as_py()) for photo, fine in zip(photos, good, strict=True)], pa.binary()
    )
