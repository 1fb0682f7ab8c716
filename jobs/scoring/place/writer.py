"""On a worker: the rows of a chunk become one Parquet file, which becomes visible whole and once.

Travels by value to executors, where nothing of stagewright is installed: the standard library and pyarrow.

A chunk's name follows from its rows alone. So attempts at one chunk, by retries, by speculation, by a worker that was
taken for dead, and by a job that was killed and its successor, all want the same name, and the first one gets it.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark import AccumulatorParam, cloudpickle

from .stores import Store

# The column that says which chunk a row is of; it is not written.
CHUNK = "_stagewright_chunk"
# The column with the bytes of rows without a prediction, where these are set aside with them; it is not written either.
BAD_CONTENT = "_stagewright_bad_content"
# In the footer of each file: what the chunk holds.
FOOTER = b"stagewright"
# What one task tells the driver: one row a chunk.
TOLD = pa.schema([("name", pa.string()), ("said", pa.string())])

Batches = Iterator[pa.RecordBatch]
# What makes batches, and gives something in the end.
T = TypeVar("T")
Writing = Generator[pa.RecordBatch, None, T]
# What chunks say of themselves, by the names of their files.
Told = dict[str, dict[str, Any]]

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Target:
    """Where chunks go. `named` makes a file's name of a chunk's, as `part-{}.parquet`.

    `about`: what each says of itself besides what it holds; `footer`: what stands in each file for its readers.
    `quarantine`: where rows without a prediction go once more.
    """

    store: Store
    named: str
    about: dict[str, Any]
    footer: dict[bytes, bytes]
    quarantine: Store | None = None


def writer(target: Target, told: Callable[[dict[str, Any]], None]) -> Callable[[Batches], Batches]:
    """A function for `mapInArrow`: rows with CHUNK in, those of one chunk beside one another; TOLD out.

    `told` gets what each chunk holds as soon as it is visible. As many rows come out as go in, so that Spark knows how
    far a task is: those that are not a chunk's have no name.
    """

    def write(batches: Batches) -> Batches:
        began = time.time()  # here, for the first rows are made before their chunk is known
        for chunk, rows in _by_chunk(batches):
            since = {**target.about, "began": round(began, 3)}
            said = yield from _write(replace(target, about=since), target.named.format(chunk), rows)
            told(said)
            began = time.time()
            yield pa.RecordBatch.from_pylist([{"name": said["name"], "said": json.dumps(said)}], TOLD)

    return write


def _write(target: Target, name: str, rows: Batches) -> Writing[dict[str, Any]]:
    """What the chunk of this name holds: now, or since somebody else was first."""
    with target.store.unfinished() as file:
        said, bad = yield from _fill(target, file, name, rows)
        if bad and target.quarantine is not None:
            _set_aside(target.quarantine, name, bad)
        if target.store.put_new(name, file):
            return said
    # What is there counts: whoever was first may have found a photo that has gone since.
    return {**said, **_said_by(target.store, name), "first": False}


def _said_by(store: Store, name: str) -> dict[str, Any]:
    with store.open(name) as file:
        said: dict[str, Any] = json.loads(pq.read_metadata(file).metadata[FOOTER])
    return {**said, "bytes": store.size(name)}


def _fill(
    target: Target, file: Path, name: str, rows: Batches
) -> Writing[tuple[dict[str, Any], list[pa.RecordBatch]]]:
    by_status: Counter[str] = Counter()
    bad: list[pa.RecordBatch] = []
    writing = 0.0
    first = next(rows)
    schema = pa.schema([field for field in first.schema if field.name != BAD_CONTENT])
    with pq.ParquetWriter(file, schema.with_metadata(target.footer)) as parquet:
        for batch in _with(first, rows):
            before = time.perf_counter()
            parquet.write_batch(batch.select(schema.names))
            writing += time.perf_counter() - before
            by_status.update(batch.column("status").to_pylist())
            if target.quarantine is not None:
                bad.append(batch.filter(pc.not_equal(batch.column("status"), "ok")))
            yield _passed(batch.num_rows - (batch is first))  # one row is the chunk's own
        took = {"ended": round(time.time(), 3), "writing_s": round(writing, 4)}
        held = {"name": name, "rows": by_status.total(), "by_status": dict(by_status)}
        said = {**target.about, **held, **took}
        parquet.add_key_value_metadata({FOOTER: json.dumps(said).encode()})
    return {**said, "bytes": file.stat().st_size}, [batch for batch in bad if batch.num_rows]


def _passed(rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(rows, field.type) for field in TOLD], schema=TOLD)


def _set_aside(quarantine: Store, name: str, bad: list[pa.RecordBatch]) -> None:
    """Before the chunk is there: whoever finds a bad row there finds it here too."""
    rows = pa.Table.from_batches(bad).drop_columns(["prediction"])
    if BAD_CONTENT in rows.column_names:
        content = rows[BAD_CONTENT]
        rows = rows.drop_columns([BAD_CONTENT]).append_column("content", content)
    with quarantine.unfinished() as file:
        pq.write_table(rows, file)
        quarantine.put_new(name, file)


def _by_chunk(batches: Batches) -> Iterator[tuple[str, Batches]]:
    """Each chunk with its rows, which are read before the next chunk is asked for."""
    runs = _Runs(batches)
    while runs.chunk is not None:
        yield runs.chunk, runs.of(runs.chunk)


class _Runs:
    """Batches cut where CHUNK changes; `chunk` is that of the rows that come next, None at the end."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._rest: pa.RecordBatch | None = None
        self.chunk: str | None = None
        self._next_batch()

    def of(self, chunk: str) -> Batches:
        while self.chunk == chunk:
            assert self._rest is not None
            column = self._rest.column(CHUNK)
            rows = _leading(column.to_pylist(), chunk)
            yield self._rest.slice(0, rows).drop_columns([CHUNK])
            self._rest = self._rest.slice(rows)
            self._next_batch()

    def _next_batch(self) -> None:
        while self._rest is None or not self._rest.num_rows:
            self._rest = next(self._batches, None)
            if self._rest is None:
                self.chunk = None
                return
        self.chunk = self._rest.column(CHUNK)[0].as_py()


def _leading(values: Sequence[str], value: str) -> int:
    return next((i for i, other in enumerate(values) if other != value), len(values))


def _with(first: pa.RecordBatch, rest: Batches) -> Batches:
    yield first
    yield from rest


def empty(store: Store, name: str, schema: pa.Schema, footer: dict[bytes, bytes]) -> None:
    """A file without rows, from which readers learn what columns there would be."""
    with store.unfinished() as file:
        with pq.ParquetWriter(file, schema.with_metadata(footer)):
            pass
        store.put_new(name, file)


class ByName(AccumulatorParam[Told]):
    """What chunks say, by name: told twice it counts once."""

    def zero(self, value: Told) -> Told:
        return {}

    def addInPlace(self, value1: Told, value2: Told) -> Told:
        value1.update(value2)
        return value1
