"""Tar archives read by their entries, on executors: nothing is unpacked, and nothing leads out of them.

Headers are read by Python's tarfile through something that lets it go no way but on, and take no more than a header may
have. Travels by value, as `archives` does.
"""

import errno
import io
import os
import stat
import sys
import tarfile
from collections.abc import Iterator
from typing import Any

from pyspark import cloudpickle

# Of what tarfile reads at once: long names and the like. It looks through them in quadratic time.
MAX_HEADER = 32 * 1024
MAX_ENTRIES = 4_000_000
BLOCK = 512
# What follows an archive's end, and is looked at: tar fills up to 10 kB.
_BEHIND = 64 * 1024
# Spelt by pyfunc_models.Status too, which no executor has.
MISSING, TRUNCATED, UNDECODABLE = "missing", "truncated", "undecodable"
UNSUPPORTED, TOO_LARGE = "unsupported", "too_large"

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


class Fault(Exception):
    """Why there is no photo: data of a row."""

    def __init__(self, status: str, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error

    def said(self) -> dict[str, str]:
        """As a row has it."""
        return {"status": self.status, "error": self.error}


class File:
    """A regular file, read by its places: no more of it than it had when it was opened."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, at: int, size: int) -> bytes:
        """Fewer bytes only at the end."""
        parts, left = [], max(0, min(size, self.size - at))
        while left and (part := os.pread(self._descriptor, left, at)):
            parts.append(part)
            at, left = at + len(part), left - len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Once."""
        os.close(self._descriptor)


def open_archive(path: bytes | None) -> File:
    """Raises Fault on what is gone, a link or no regular file, and OSError on whatever else is the node's fault."""
    if path is None:
        raise Fault(MISSING, "no photos: the archive lies outside of what is searched")
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        raise Fault(
            MISSING, "no photos: the archive was listed, and is there no more or may not be read"
        ) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV):
            raise Fault(
                UNSUPPORTED, "no photos: this is a link or no regular file, and is not read"
            ) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Fault(UNSUPPORTED, "no photos: this is no regular file, and is not read")
    return File(descriptor)


class Headers(io.RawIOBase):
    """What tarfile reads: headers, one after the other. It has been made to go round in circles by sizes below zero."""

    def __init__(self, file: File) -> None:
        self._file, self._at, self._furthest = file, 0, 0

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise Fault(UNDECODABLE, f"the archive has a header of {size} bytes, more than {MAX_HEADER}")
        found = self._file.read(self._at, size)
        self._at += len(found)
        self._furthest = max(self._furthest, self._at)
        return found

    def seek(self, at: int, whence: int = 0) -> int:
        if whence or at < self._furthest - 1:  # it looks at the last byte of what it skips
            raise Fault(UNDECODABLE, "the archive has an entry that leads back in it")
        self._at = at
        return at

    def tell(self) -> int:
        return self._at


def entries(file: File) -> Iterator[tarfile.TarInfo]:
    """An archive's entries, in order. Raises Fault where the archive does not end as archives do."""
    try:
        tar: Any = tarfile.TarFile(fileobj=Headers(file), errors="surrogateescape")
        for _ in range(MAX_ENTRIES):
            entry = tar.next()
            if entry is None:
                return _check_end(file, tar.offset)
            tar.members = []
            yield entry
    except tarfile.TarError as error:
        raise _broken(file.size, error) from None
    except (ValueError, RecursionError, OverflowError, MemoryError) as error:
        raise Fault(UNDECODABLE, f"the archive cannot be read: {type(error).__name__}") from None
    raise Fault(TOO_LARGE, f"the archive has more than {MAX_ENTRIES} entries, and the others are not read")


def _check_end(file: File, at: int) -> None:
    """At the end are blocks of zeros; tarfile also ends at a header that is broken or cut off."""
    end = file.read(at, BLOCK)
    if len(end) < BLOCK:
        raise cut_off(file.size)
    if any(end):
        raise Fault(UNDECODABLE, f"the archive has a broken header after {at} bytes, and ends there")
    if any(file.read(at, _BEHIND)):
        raise Fault(UNSUPPORTED, f"the archive ends after {at} bytes, and what is behind its end is not read")


def cut_off(size: int) -> Fault:
    """Of an archive of so many bytes."""
    return Fault(TRUNCATED, f"the archive is cut off after {size} bytes")


def _broken(size: int, error: tarfile.TarError) -> Fault:
    said = str(error)
    if "unexpected end" in said or "truncated" in said or not size:
        return cut_off(size)
    return Fault(UNDECODABLE, "this is no tar archive, or a compressed or broken one")
