"""Photos in folders of this machine: which there are, and what the search leaves out.

A folder may be anybody's to write into. So links lead nowhere that was not asked for, and only a regular file is a
photo: a FIFO, a device and a socket are not.
"""

import os
import stat
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from .left_out import LeftOut, is_hidden, other_than

# Rows that are Python objects at a time; as Arrow 300,000 of them are some 60 MB.
_CHUNK = 20_000

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("modificationTime", pa.timestamp("us", tz="UTC")),
        ("length", pa.int64()),
        ("content", pa.binary()),
    ]
)


@dataclass(frozen=True, slots=True)
class Listing:
    """`photos`: SCHEMA, `content` the path that a worker opens; `left_out`: how many for which reason."""

    photos: pa.Table
    left_out: Mapping[str, int]

    @property
    def files(self) -> int:
        """How many."""
        return int(self.photos.num_rows)

    @property
    def size(self) -> int:
        """Their bytes in all."""
        return sum(sum(chunk.to_numpy().tolist()) for chunk in self.photos["length"].chunks)


def collected(rows: Iterator["_Row"], left_out: Counter[str]) -> Listing:
    """All rows, and what was counted meanwhile."""
    batches = list(_batches(rows))
    counted = {kind.value: left_out[kind] for kind in LeftOut if left_out[kind]}
    return Listing(pa.Table.from_batches(batches, SCHEMA), counted)


def search(root: str, suffixes: Sequence[str], follow_links: bool = False) -> Listing:
    """The photos below the absolute path `root`, by their suffixes in any case; hidden names as Spark has them.

    A link to a file below `root` is that photo once more, under its own path. A link to one elsewhere, and to a folder,
    is left out unless `follow_links`; then each folder is searched once, however many links lead to it.
    """
    return _Search(root, tuple(f".{suffix}" for suffix in suffixes), follow_links).listing()


def these(paths: Iterable[str], root: str, follow_links: bool = False) -> Listing:
    """The photos at absolute paths that somebody else has found, judged as `search` does, whatever their names."""
    found = _Search(root, ("",), follow_links)
    return found.collected(row for path in paths if found.is_below(path) and (row := found.photo(path)))


def folder_of(pattern: str) -> str:
    """The folder that all matches of a glob lie in: what comes before the first part with a wildcard."""
    parts = pattern.split("/")
    wild = next((i for i, part in enumerate(parts) if set(part) & set("*?[]{}")), len(parts) - 1)
    return "/".join(parts[:wild]) or "/"


_Row = tuple[str, int, int, bytes]
# Timestamps end with the year 9999 for Python, and a file's time may be anything.
_LAST_SECOND = 253_402_300_799


class _Search:
    def __init__(self, root: str, suffixes: tuple[str, ...], follow_links: bool) -> None:
        self._root = root
        self._real = os.path.realpath(root)
        self._suffixes = suffixes
        self._follow = follow_links
        self._left_out: Counter[str] = Counter()
        self._searched: set[tuple[int, int]] = set()
        self._straight: dict[str, bool] = {}

    def listing(self) -> Listing:
        return self.collected(self._rows())

    def collected(self, rows: Iterator[_Row]) -> Listing:
        return collected(rows, self._left_out)

    def photo(self, path: str) -> _Row | None:
        """None, and counted, where it is no regular file or lies behind a link that is not to be followed."""
        try:
            path.encode()
            found, opened = os.lstat(path), path
            if stat.S_ISLNK(found.st_mode):
                found, opened = Path(path).stat(), self._target(path) or ""
            row = f"file:{path}", _microseconds(found), found.st_size, opened.encode()
        except UnicodeEncodeError:
            return self._leave(LeftOut.NOT_UTF8)
        except OSError:  # a link to nothing, or a file that has gone
            return self._leave(LeftOut.LINK) if Path(path).is_symlink() else None
        if not opened:
            return self._leave(LeftOut.LINK)
        return row if stat.S_ISREG(found.st_mode) else self._leave(LeftOut.NOT_REGULAR)

    def is_below(self, path: str) -> bool:
        """Whether no linked folder lies between `root` and it; counted where one does."""
        folder = os.path.dirname(path)  # noqa: PTH120
        if folder not in self._straight:
            inner = folder[len(self._root.rstrip("/")) :]
            real = os.path.realpath(folder)
            self._straight[folder] = self._follow or real == self._real.rstrip("/") + inner
        if not self._straight[folder]:
            self._leave(LeftOut.LINKED_FOLDER)
        return self._straight[folder]

    def _rows(self) -> Iterator[_Row]:
        self._folders, self._linked = [self._root], deque[str]()
        while self._folders or self._linked:
            # Linked ones last, so that a photo has the path without links if it has one.
            folder = self._folders.pop() if self._folders else self._linked.popleft()
            if self._follow and not self._is_new(folder):
                self._leave(LeftOut.LINKED_FOLDER)
                continue
            try:
                with os.scandir(folder) as entries:
                    yield from filter(None, map(self._row, entries))
            except FileNotFoundError:
                continue
            except OSError:
                self._leave(LeftOut.UNREADABLE)

    def _row(self, entry: "os.DirEntry[str]") -> _Row | None:
        """A photo's; a folder is noted instead, to be searched later."""
        if is_hidden(entry.name):
            return self._leave(LeftOut.HIDDEN)
        if _is_folder(entry):
            if not entry.is_symlink():
                self._folders.append(entry.path)
            elif self._follow:
                self._linked.append(entry.path)
            else:
                self._leave(LeftOut.LINKED_FOLDER)
            return None
        if (why := other_than(self._suffixes, entry.name)) is not None:
            return self._leave(why)
        return self.photo(entry.path)

    def _is_new(self, folder: str) -> bool:
        try:
            found = Path(folder).stat()
        except OSError:
            return False
        key = found.st_dev, found.st_ino
        if key in self._searched:
            return False
        self._searched.add(key)
        return True

    def _target(self, link: str) -> str | None:
        """The path without links that a link leads to, below `root` as that is spelt; None where it may not."""
        target = os.path.realpath(link)
        if Path(target).is_relative_to(self._real):
            return self._root.rstrip("/") + target[len(self._real.rstrip("/")) :]
        return target if self._follow else None

    def _leave(self, kind: LeftOut) -> "_Row | None":
        """No row, but one more in the counts."""
        self._left_out[kind] += 1
        return None


def _microseconds(found: os.stat_result) -> int:
    """When a file was changed, in milliseconds as Spark has it, since 1970."""
    return max(0, min(found.st_mtime_ns // 1_000_000, _LAST_SECOND * 1_000)) * 1_000


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _batches(rows: Iterator[_Row]) -> Iterator[Any]:
    chunk: list[_Row] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK:
            yield _batch(chunk)
            chunk = []
    if chunk:
        yield _batch(chunk)


def _batch(chunk: Sequence[_Row]) -> Any:
    columns = zip(*chunk, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
