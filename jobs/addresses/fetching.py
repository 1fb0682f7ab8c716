"""Photos are fetched ahead of whoever wants them: many at once, in order, with a bound on bytes.

A store answers after milliseconds, so that one at a time would be a tenth of what the network and the model can do.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from pyspark import cloudpickle

from . import files
from .budget import Allowance, Budget, Limits
from .fault import Got, NoPhoto
from .hdfs import Hdfs
from .places import FILE, HADOOP, STORES, Place, Roots
from .stores import Stores
from .web import Web

# A photo of 256 MiB is larger than any that cameras make; without compression the limit of pixels has 268 MB in RGB.
MAX_BYTES = 256 * 1024 * 1024
# Threads that wait: with 20 ms until an answer they are 1,600 photos a second.
AT_ONCE = 32
# Rows that are on their way or wait, and the bytes of these.
AHEAD_ROWS = 1536
AHEAD_BYTES = 256 * 1024 * 1024
# What is handed on at once. Each such piece empties the model's pipeline and fills it anew; the first ones are small so
# that it does not wait for many photos.
FIRST_ROWS, MOST_ROWS = 32, 512
PIECE_BYTES = 64 * 1024 * 1024

FETCHED = pa.struct([("content", pa.binary()), ("status", pa.string()), ("error", pa.string())])
# The same for Spark.
FETCHED_SPARK = "struct<content: binary, status: string, error: string>"

Fetch = Callable[[Iterator[pa.Array]], Iterator[pa.Array]]

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Fetching:
    """`roots`: which addresses are read; `limits`: of each photo."""

    roots: Roots
    limits: Limits


def fetching(how: Fetching) -> Fetch:
    """A function from arrays of struct<bytes, path> to runs of FETCHED, in order; no run goes beyond an array's end.

    Where `bytes` is null, `path` is followed. Where both are, all of FETCHED is null.
    """

    def fetch(arrays: Iterator[pa.Array]) -> Iterator[pa.Array]:
        ahead = _Ahead(_Loader(how), how.limits)
        try:
            yield from ahead.pieces(_rows(arrays))
        finally:
            ahead.close()

    return fetch


@dataclass(frozen=True)
class _Row:
    content: bytes | None
    address: str | None
    is_last: bool


def _rows(arrays: Iterator[pa.Array]) -> Iterator[_Row]:
    for array in arrays:
        photos, addresses = (pc.struct_field(array, name) for name in ("bytes", "path"))
        last = len(array) - 1
        for i, (photo, address) in enumerate(zip(photos, addresses, strict=True)):
            yield _Row(photo.as_py(), address.as_py(), i == last)


class _Loader:
    """What an address leads to. For threads."""

    def __init__(self, how: Fetching) -> None:
        self._roots = how.roots
        self._stores = Stores(how.limits.timeout_s)
        self._hdfs = Hdfs()
        self._web = Web(how.roots, AT_ONCE)

    def load(self, address: str, allowance: Allowance) -> Got:
        try:
            content = self._bytes(self._roots.find(address), allowance)
            allowance.keep(len(content))
            return Got(content)
        except NoPhoto as fault:
            allowance.keep(0)
            return Got(None, fault.status, fault.error)

    def _bytes(self, place: Place, allowance: Allowance) -> bytes:
        if place.scheme == FILE:
            return files.load(place.path, allowance)
        if place.scheme in STORES:
            return self._stores.load(place, allowance)
        if place.scheme in HADOOP:
            return self._hdfs.load(place, allowance)
        return self._web.load(place, allowance)


@dataclass
class _Piece:
    """Rows that are handed on together: bytes in all, and those that were fetched."""

    got: list[Got] = field(default_factory=list)
    size: int = 0
    fetched: int = 0

    def array(self) -> pa.Array:
        columns = zip(*((each.content, each.status, each.error) for each in self.got), strict=True)
        typed = [pa.array(column, kind.type) for column, kind in zip(columns, FETCHED, strict=True)]
        return pa.StructArray.from_arrays(typed, fields=list(FETCHED))


class _Ahead:
    def __init__(self, loader: _Loader, limits: Limits) -> None:
        self._loader, self._limits = loader, limits
        self._budget = Budget(AHEAD_BYTES)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch-address")
        self._waiting: deque[tuple[_Row, tuple[int, Future[Got]]]] = deque()
        self._started = 0
        self._brought = 0

    def pieces(self, rows: Iterator[_Row]) -> Iterator[pa.Array]:
        piece, most = _Piece(), FIRST_ROWS
        while self._fill(rows):
            row, (number, coming) = self._waiting.popleft()
            self._budget.want(number)
            got = coming.result()
            piece.got.append(got)
            size = len(got.content or b"")
            piece.size += size
            piece.fetched += size if row.content is None else 0
            self._brought -= len(row.content or b"")
            if row.is_last or len(piece.got) >= most or piece.size >= PIECE_BYTES:
                yield piece.array()
                self._budget.give(piece.fetched)
                piece, most = _Piece(), min(2 * most, MOST_ROWS)

    def close(self) -> None:
        self._budget.end()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fill(self, rows: Iterator[_Row]) -> bool:
        """Have as many rows on their way as may be; False once all are done."""
        while self._has_room() and (row := next(rows, None)) is not None:
            self._brought += len(row.content or b"")
            self._waiting.append((row, self._start(row)))
        return bool(self._waiting)

    def _has_room(self) -> bool:
        return len(self._waiting) < AHEAD_ROWS and self._brought < PIECE_BYTES

    def _start(self, row: _Row) -> tuple[int, "Future[Got]"]:
        if row.content is not None or row.address is None:
            there: Future[Got] = Future()
            there.set_result(Got(row.content))
            return 0, there
        number = self._started = self._started + 1
        return number, self._pool.submit(self._load, number, row.address)

    def _load(self, number: int, address: str) -> Got:
        return self._loader.load(address, Allowance(self._budget, number, self._limits))
