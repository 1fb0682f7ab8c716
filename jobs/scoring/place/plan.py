"""Which input there is, cut into chunks that stay what they are, however often a job is started again.

A plan is two objects of the output: `plan-0001.rows`, a Parquet file with one row for each photo or file of a table,
and `plan-0001.json`, without which the first says nothing. What comes into the input later goes into a further plan.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .notes import read_as, readable
from .stores import PRIVATE, Store

KEY = "path"
CHANGES = ("modificationTime", "length")
NUMBER = "chunk"


@dataclass(frozen=True, slots=True)
class Plan:
    """`number` counts from 1. `rows` photos or files, in `chunks` chunks; of a table the chunks are its splits.

    `split`: bytes into which a table's files are split; 0 for photos. `buckets`: chunks of a split, which is one chunk
    unless its rows name photos that are elsewhere.
    """

    number: int
    rows: int
    chunks: int
    split: int = 0
    buckets: int = 1

    @property
    def rows_name(self) -> str:
        """Of the object with the rows."""
        return f"{PRIVATE}/plan-{self.number:04d}.rows"

    @property
    def _name(self) -> str:
        return f"{PRIVATE}/plan-{self.number:04d}.json"


@dataclass(frozen=True, slots=True)
class Compared:
    """A listing beside the plans: `new` rows; how many of the known ones are `gone` and `changed`."""

    new: pa.Table
    gone: int
    changed: int


def all_of(store: Store) -> list[Plan]:
    """The plans of an output, in order."""
    names = sorted(
        name for name in store.names(PRIVATE) if name.startswith("plan-") and name.endswith(".json")
    )
    return [read_as(Plan, store, f"{PRIVATE}/{name}") for name in names]


def known_rows(plans: Sequence[Plan]) -> int | None:
    """How many rows plans are of; None with a table, whose rows nobody has counted."""
    return None if any(plan.split for plan in plans) else sum(plan.rows for plan in plans)


def make(store: Store, plan: Plan, rows: pa.Table) -> Plan:
    """Keep a plan; `rows` has NUMBER, in order, where its chunks are of many rows."""
    with store.unfinished() as file:
        _write(file, rows)
        store.remove(plan.rows_name)
        store.put_new(plan.rows_name, file)
    store.put(plan._name, json.dumps(asdict(plan)).encode())
    return plan


def rows_of(store: Store, plan: Plan, columns: Sequence[str] = (KEY, *CHANGES)) -> pa.Table:
    """All rows of a plan."""
    with readable(store, plan.rows_name), store.open(plan.rows_name) as file:
        return pq.read_table(file, columns=list(columns))


def schema_of(store: Store, plan: Plan) -> pa.Schema:
    """The columns of a plan's rows."""
    with readable(store, plan.rows_name), store.open(plan.rows_name) as file:
        return pq.read_schema(file)


def compare(store: Store, plans: Sequence[Plan], listed: pa.Table) -> Compared:
    """What a listing has that no plan has, and what became of the rest."""
    if not plans:
        return Compared(listed, 0, 0)
    known = pa.concat_tables([rows_of(store, plan) for plan in plans])
    at = pc.index_in(listed[KEY], known[KEY].combine_chunks())
    there = pc.is_valid(at)
    before, now = (rows.select(CHANGES) for rows in (known, listed))
    before, now = before.take(pc.drop_null(at)), now.filter(there)
    return Compared(
        new=listed.filter(pc.invert(there)),
        gone=known.num_rows - len(pc.unique(pc.drop_null(at))),
        changed=pc.sum(_any(pc.not_equal(before[name], now[name]) for name in CHANGES)).as_py() or 0,
    )


def numbered(rows: pa.Table, chunks: int, opening: int) -> pa.Table:
    """Rows with NUMBER: `chunks` runs of rows that cost about the same.

    A row costs its bytes and what opening a file counts as. Fewer runs come out where single rows cost more than that.
    """
    cost = np.asarray(rows["length"], dtype=np.int64) + opening
    until = np.cumsum(cost)
    numbers = (until - cost // 2) * chunks // max(1, int(until[-1]))
    _, dense = np.unique(numbers, return_inverse=True)
    return rows.append_column(NUMBER, pa.array(dense.astype(np.int32)))


def _write(file: Any, rows: pa.Table) -> None:
    """A row group for each chunk, so that one can be read alone."""
    with pq.ParquetWriter(file, rows.schema, compression="zstd") as parquet:
        for start, count in _runs(rows):
            parquet.write_table(rows.slice(start, count), row_group_size=max(1, count))


def _runs(rows: pa.Table) -> Iterator[tuple[int, int]]:
    if NUMBER not in rows.column_names:
        yield 0, rows.num_rows
        return
    numbers = np.asarray(rows[NUMBER])
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    yield from zip(starts.tolist(), np.diff(starts, append=len(numbers)).tolist(), strict=True)


def _any(columns: Iterator[Any]) -> Any:
    found = next(columns)
    for column in columns:
        found = pc.or_(found, column)
    return found
