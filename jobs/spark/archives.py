"""Photos in tar archives, as WebDataset lays them out: on executors, where nothing of stagewright is installed.

Entries that follow one another and whose names are the same up to the first dot are one sample: `a/1.jpg`, `a/1.json`,
`a/1.cls`. An archive may be anybody's to write: see `archive_entries`.
"""

import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b

import pyarrow as pa
from pyspark import cloudpickle

from .archive_entries import (
    MISSING,
    TOO_LARGE,
    UNDECODABLE,
    UNSUPPORTED,
    Fault,
    File,
    cut_off,
    entries,
    open_archive,
)

# Sidecars that are columns of their own, as text.
FIELDS = ("json", "txt", "cls")
FAULT = "_stagewright_fault"
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("path", "shard", "key", *FIELDS)),
        ("content", pa.binary()),
        (FAULT, pa.struct([("status", pa.string()), ("error", pa.string())])),
    ]
)
# As of a photo that is a file of its own.
MAX_BYTES = 2**30
MAX_FIELD = 2**20
# Rows that are handed on at once, and their bytes.
_ROWS, _BATCH_BYTES = 256, 64 * 1024 * 1024
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


class ShardError(RuntimeError):
    """An archive whose samples cannot be told apart: no row of it would be sure to be right."""


@dataclass
class _Sample:
    """What is known of one key so far.

    `photo`: the suffix of its photo; `others`: of photos beside it, such as `seg.png`, one of which is the photo where
    no other is. `fault`: the first that was found.
    """

    key: str
    path: str
    content: bytes | None = None
    photo: str | None = None
    others: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None

    def row(self, shard: str) -> dict[str, object]:
        fault = self.fault or self._without_photo()
        return {
            "path": self.path,
            "shard": shard,
            "key": self.key,
            **{name: self.fields.get(name) for name in FIELDS},
            "content": None if fault else self.content,
            # Not a null of the struct: whoever looks at its fields does not see that.
            FAULT: fault.said() if fault else {"status": None, "error": None},
        }

    def _without_photo(self) -> Fault | None:
        if self.photo is not None or len(self.others) == 1:
            return None
        if self.others:
            names = ", ".join(self.others[:3])
            return Fault(UNSUPPORTED, f"no photo: the key has {len(self.others)} ({names}), and one is read")
        return Fault(MISSING, "no photo: none of the key's entries is one")


def rows(shard: str, opened: bytes, suffixes: tuple[str, ...]) -> Iterator[dict[str, object]]:
    """The samples of an archive, in order, as SCHEMA has them; `opened`: UTF-8 of the path that is opened.

    What is wrong with the archive itself is one row more, at the end, without a key. Raises ShardError where entries of
    one key are not adjacent.
    """
    try:
        with closing(open_archive(opened)) as file:
            yield from _Shard(shard, file, suffixes).rows()
    except Fault as fault:
        yield {name: None for name in SCHEMA.names} | {"path": shard, "shard": shard, FAULT: fault.said()}


def batches(samples: Iterator[dict[str, object]]) -> Iterator[pa.RecordBatch]:
    """Rows in runs that are bounded in number and bytes."""
    waiting: list[dict[str, object]] = []
    size = 0
    for sample in samples:
        waiting.append(sample)
        content = sample["content"]
        size += len(content) if isinstance(content, bytes) else 0
        if len(waiting) >= _ROWS or size >= _BATCH_BYTES:
            yield pa.RecordBatch.from_pylist(waiting, SCHEMA)
            waiting, size = [], 0
    if waiting:
        yield pa.RecordBatch.from_pylist(waiting, SCHEMA)


def reader(suffixes: tuple[str, ...]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function for `mapInArrow`: `path` and `content` of archives' listing in, their rows out."""

    def read(listed: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in listed:
            for shard, opened in zip(batch.column("path"), batch.column("content"), strict=True):
                yield from batches(rows(shard.as_py(), opened.as_py(), suffixes))

    return read


class _Shard:
    def __init__(self, name: str, file: File, suffixes: tuple[str, ...]) -> None:
        self._name, self._file, self._suffixes = name, file, frozenset(suffixes)
        self._ended: set[bytes] = set()

    def rows(self) -> Iterator[dict[str, object]]:
        sample: _Sample | None = None
        broken: Fault | None = None
        try:
            for entry in entries(self._file):
                named = _key(entry.name)
                if entry.isdir() or named is None:
                    continue
                key, suffix = named
                if sample is None or sample.key != key:
                    if sample is not None:
                        yield self._end(sample)
                    self._begin(key)
                    sample = _Sample(key, f"{self._name}/{entry.name}")
                self._add(sample, entry, suffix)
        except Fault as fault:
            broken = fault
        if sample is not None:
            yield self._end(sample)
        if broken is not None:
            raise broken

    def _begin(self, key: str) -> None:
        if _digest(key) in self._ended:
            raise ShardError(
                f"The entries of key {key!r} in {self._name!r} are not adjacent, so that what belongs together cannot "
                "be told without reading all of it. Pack the archive again in the order of its names (tar --sort=name)."
            )

    def _end(self, sample: _Sample) -> dict[str, object]:
        self._ended.add(_digest(sample.key))
        return _readable(sample).row(self._name)

    def _add(self, sample: _Sample, entry: tarfile.TarInfo, suffix: str) -> None:
        if sample.fault is not None:
            return
        try:
            if suffix in FIELDS:
                self._add_field(sample, entry, suffix)
            elif suffix.rpartition(".")[2] in self._suffixes:
                self._add_photo(sample, entry, suffix)
        except UnicodeDecodeError:
            sample.fault = Fault(UNDECODABLE, f"the key's {suffix} is no UTF-8")
        except MemoryError:
            sample.fault = Fault(TOO_LARGE, f"the key's {suffix} takes more memory than there is")
        except Fault as fault:
            sample.fault = fault

    def _add_field(self, sample: _Sample, entry: tarfile.TarInfo, suffix: str) -> None:
        if suffix in sample.fields:
            raise Fault(UNSUPPORTED, f"the key has two entries {suffix}")
        sample.fields[suffix] = self._content(entry, suffix, MAX_FIELD).decode()

    def _add_photo(self, sample: _Sample, entry: tarfile.TarInfo, suffix: str) -> None:
        """`jpg` is the photo, and `seg.png` only where nothing else is."""
        if suffix in self._suffixes:
            if sample.photo is not None:
                raise Fault(UNSUPPORTED, f"the key has two photos, {sample.photo} and {suffix}")
            sample.photo = suffix
        else:
            sample.others.append(suffix)
            if sample.photo is not None or len(sample.others) > 1:
                return
        sample.path = f"{self._name}/{entry.name}"
        sample.content = self._content(entry, suffix, MAX_BYTES)

    def _content(self, entry: tarfile.TarInfo, suffix: str, most: int) -> bytes:
        if not entry.isreg() or entry.issparse():
            what = (
                "a sparse file"
                if entry.issparse()
                else "a link"
                if entry.issym() or entry.islnk()
                else "no file"
            )
            raise Fault(UNSUPPORTED, f"the key's {suffix} is {what}, and is not read")
        if entry.size > most:
            raise Fault(TOO_LARGE, f"the key's {suffix} has {entry.size} bytes, more than {most}")
        found = self._file.read(entry.offset_data, entry.size)
        if len(found) < entry.size:
            raise cut_off(self._file.size)
        return found


def _key(name: str) -> tuple[str, str] | None:
    """What a sample is called by, and which of its entries this is; None where it is of no sample.

    As WebDataset has it: up to the first dot of the last part; hidden names, and those without a dot, are of none.
    """
    folder, slash, last = name.rpartition("/")
    stem, dot, suffix = last.partition(".")
    return (folder + slash + stem, suffix.lower()) if stem and dot else None


def _readable(sample: _Sample) -> _Sample:
    """With names that a column can hold."""
    try:
        f"{sample.key}{sample.path}".encode()
    except UnicodeEncodeError:
        key, path = (
            text.encode(errors="surrogateescape").decode(errors="replace")
            for text in (sample.key, sample.path)
        )
        return _Sample(key, path, fault=Fault(UNSUPPORTED, "the entry's name is no UTF-8"))
    return sample


def _digest(key: str) -> bytes:
    return blake2b(key.encode(errors="surrogateescape"), digest_size=16).digest()
