"""Decode threads -> bounded batches -> engine, in input order.

While the engine works on some batches, the threads decode the next ones straight into their uint8 buffers.
What is in flight is bounded by `engine.slots + READ_AHEAD + 1` batches and by the photo that each thread decodes,
whatever the number of rows. Where contents have to be fetched first, other threads do it for the batches that are
read ahead, so that no decoder waits for a disk.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from ..engines import Engine, Images, Outputs
from ..photos.status import RowFault, Status
from .frames import Frame, Placed

# Batches being decoded beside the one that the engine is given next.
READ_AHEAD = 2
# Rows per call into a thread: the hand-over costs some 30 µs, a photo's decoding milliseconds.
ROWS_PER_CALL = 4
# Threads that fetch: they wait for a file system, and take next to no time of a core.
FETCHERS = 4

Content = bytes | None
Fetched = Content | RowFault
Fetch = Callable[[Content], Fetched]
Read = Callable[[Content], Images | Placed | RowFault]


@dataclass(frozen=True, slots=True)
class Settings:
    """`batch_size` rows a batch, `threads` that decode, `size` (height, width) of the engine's input.

    `fetch` makes a photo's bytes, or its fault, of what is in the row; None where these are the bytes.
    """

    batch_size: int
    threads: int
    size: tuple[int, int]
    fetch: Fetch | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """`outputs` float32 [len(rows), D] of the rows that could be read; `faults` of all others, by row.

    `frames`: of each of `rows`, where what was read says one.
    """

    rows: list[int]
    outputs: Outputs | None
    faults: dict[int, RowFault]
    frames: list[Frame | None] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    start: int
    images: Images
    calls: list[Future[list[RowFault | Frame | None]]] = field(default_factory=list)

    def wait(self) -> list[RowFault | Frame | None]:
        return [fault for call in self.calls for fault in call.result()]


def score(contents: Sequence[Content], read: Read, engine: Engine, settings: Settings) -> Scored:
    """Read and infer all of `contents`; a row that cannot be read is a fault, never an exception."""
    rows: list[int] = []
    outputs: list[Outputs] = []
    faults: dict[int, RowFault] = {}
    frames: list[Frame | None] = []
    pending: deque[Callable[[], Outputs]] = deque()
    for batch in _read_ahead(contents, read, settings):
        found = batch.wait()
        faults.update({batch.start + i: one for i, one in enumerate(found) if isinstance(one, RowFault)})
        good = [i for i in range(len(found)) if batch.start + i not in faults]
        if not good:
            continue
        if len(pending) == engine.slots:
            outputs.append(pending.popleft()())
        pending.append(engine.submit(batch.images if len(good) == len(found) else batch.images[good]))
        rows.extend(batch.start + i for i in good)
        frames.extend(one for one in found if not isinstance(one, RowFault))
    outputs.extend(result() for result in pending)
    return Scored(rows, np.concatenate(outputs) if outputs else None, faults, frames)


def _read_ahead(contents: Sequence[Content], read: Read, settings: Settings) -> Iterator[_Batch]:
    """Batches in input order, at most READ_AHEAD of them being decoded."""
    decoding: deque[_Batch] = deque()
    for start in range(0, len(contents), settings.batch_size):
        decoding.append(_start(contents, start, read, settings))
        if len(decoding) > READ_AHEAD:
            yield decoding.popleft()
    yield from decoding


def _start(contents: Sequence[Content], start: int, read: Read, settings: Settings) -> _Batch:
    rows = contents[start : start + settings.batch_size]
    batch = _Batch(start, np.empty((len(rows), *settings.size, 3), dtype=np.uint8))
    pool = _pool("decode", settings.threads)
    for first in range(0, len(rows), ROWS_PER_CALL):
        few = _fetched(rows[first : first + ROWS_PER_CALL], settings.fetch)
        batch.calls.append(pool.submit(_fill, batch.images[first : first + ROWS_PER_CALL], few, read))
    return batch


def _fetched(rows: Sequence[Content], fetch: Fetch | None) -> Callable[[], Sequence[Fetched]]:
    """Gives the rows' contents when it is called; what has to be fetched is on its way from now on."""
    if fetch is None:
        return lambda: rows
    return _pool("fetch", FETCHERS).submit(lambda: [fetch(row) for row in rows]).result


def _fill(
    slots: Images, contents: Callable[[], Sequence[Fetched]], read: Read
) -> list[RowFault | Frame | None]:
    return [_fill_row(slot, content, read) for slot, content in zip(slots, contents(), strict=True)]


def _fill_row(slot: Images, content: Fetched, read: Read) -> RowFault | Frame | None:
    if isinstance(content, RowFault):
        return content
    found = read(content)
    if isinstance(found, RowFault):
        return found
    pixels, frame = (found.pixels, found.frame) if isinstance(found, Placed) else (found, None)
    if pixels.shape != slot.shape or pixels.dtype != np.uint8:
        # Only a scientist's own transform can do this.
        given = f"{pixels.dtype} {list(pixels.shape)}"
        return RowFault(Status.UNSUPPORTED, f"the transform gave {given}, not uint8 {list(slot.shape)}")
    slot[...] = pixels
    return frame


@cache
def _pool(name: str, threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix=name)
