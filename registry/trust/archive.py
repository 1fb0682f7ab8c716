"""The archives that torch writes, `.pt2` and what lies in it: zip files of stored entries, opened without torch.

Two readers of one zip file may see different entries. So a file is taken only where nothing is left to opinion:
each entry stored as it is and called by a name that is known, one behind the other from the file's first byte on,
then the directory, then the end.
"""

from __future__ import annotations

import pickletools
import re
import zipfile
from pathlib import Path
from typing import IO

from registry.errors import ArtifactMismatch

_LOCAL = b"PK\x03\x04"
_LOCAL_BYTES = 30
_END = b"PK\x05\x06"
_END_BYTES = 22
_MAX_READ = 1 << 28
# What a pickle of one tensor in a tuple is made of, as torch.save writes it in protocol 2.
_OPCODES = frozenset(
    re.findall(
        r"[A-Z0-9_]+",
        "PROTO GLOBAL BINPUT LONG_BINPUT MARK BINUNICODE BININT BININT1 BININT2 TUPLE TUPLE1 TUPLE2 TUPLE3 BINPERSID "
        "NEWFALSE EMPTY_TUPLE EMPTY_DICT REDUCE STOP",
    )
)
_GLOBALS = frozenset({"torch._utils _rebuild_tensor_v2", "torch ByteStorage", "collections OrderedDict"})


class Archive:
    """A zip file of torch's, whose every entry is in the folder `root` and has one of `names`.

    Raises ArtifactMismatch, which calls it `shown`, on any other.
    """

    def __init__(self, source: Path | IO[bytes], shown: str, root: str, names: re.Pattern[str]) -> None:
        self.shown = shown
        self._root = root
        try:
            self._zip = zipfile.ZipFile(source)
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as fault:
            raise self.wrong(f"is no archive: {fault}") from None
        self.sizes = {
            entry.filename.removeprefix(f"{root}/"): entry.file_size for entry in self._checked(names)
        }

    def read(self, name: str) -> bytes:
        """The bytes of one entry, which must be there."""
        if self.sizes.get(name, _MAX_READ) >= _MAX_READ:
            raise self.wrong(f"has no entry {name!r}, or one that is too large")
        try:
            return self._zip.read(f"{self._root}/{name}")
        except (zipfile.BadZipFile, EOFError, ValueError) as fault:
            raise self.wrong(f"has a damaged entry {name!r}: {fault}") from None

    def close(self) -> None:
        self._zip.close()

    def wrong(self, what: str) -> ArtifactMismatch:
        return ArtifactMismatch(f"The model's file {self.shown!r} {what}.")

    def _checked(self, names: re.Pattern[str]) -> list[zipfile.ZipInfo]:
        entries = sorted(self._zip.infolist(), key=lambda entry: entry.header_offset)
        seen = set()
        for entry in entries:
            name = entry.filename
            plain = entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size
            inside = name.startswith(f"{self._root}/") and names.fullmatch(
                name.removeprefix(f"{self._root}/")
            )
            if not inside or name != entry.orig_filename or name in seen:
                raise self.wrong(f"has an entry {entry.orig_filename!r}, which packaging does not write")
            if not plain or entry.flag_bits & 1:
                raise self.wrong(f"has an entry {name!r} that is compressed or encrypted")
            seen.add(name)
        self._check_places(entries)
        return entries

    def _check_places(self, entries: list[zipfile.ZipInfo]) -> None:
        stream = self._zip.fp
        assert stream is not None
        end = 0
        for entry in entries:
            stream.seek(entry.header_offset)
            header = stream.read(_LOCAL_BYTES)
            length = int.from_bytes(header[26:28], "little")
            if not header.startswith(_LOCAL) or stream.read(length) != entry.filename.encode():
                raise self.wrong(f"has an entry {entry.filename!r} under another name")
            if entry.header_offset < end or (end == 0 and entry.header_offset != 0):
                raise self.wrong("has bytes before its entries, or entries that overlap")
            extra = int.from_bytes(header[28:30], "little")
            end = entry.header_offset + _LOCAL_BYTES + length + extra + entry.file_size
        stream.seek(-_END_BYTES, 2)
        if self._zip.start_dir < end or self._zip.comment or stream.read(4) != _END:
            raise self.wrong("has something behind its entries")


def check_pickle(content: bytes, shown: str) -> None:
    """Hold a pickle to what torch.save writes of one tensor of bytes. Raises ArtifactMismatch on anything else."""
    try:
        last = 0
        for opcode, argument, place in pickletools.genops(content):
            last = place or 0
            if opcode.name not in _OPCODES or (opcode.name == "GLOBAL" and argument not in _GLOBALS):
                what = f"{opcode.name} {argument}" if argument is not None else opcode.name
                raise ArtifactMismatch(f"The model's file {shown!r} has a pickle that says {what[:80]!r}.")
    except ArtifactMismatch:
        raise
    except Exception as fault:  # pickletools raises many kinds on what is no pickle
        raise ArtifactMismatch(
            f"The model's file {shown!r} has a pickle that cannot be read: {fault}."
        ) from None
    if last != len(content) - 1:
        raise ArtifactMismatch(f"The model's file {shown!r} has something behind a pickle's end.")
