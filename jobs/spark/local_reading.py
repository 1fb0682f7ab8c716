"""Reading files on executors, where nothing of stagewright is installed: functions that travel by value.

What the wrapper's own `photos.files` does, for jobs that need bytes or digests.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql.pandas.functions import arrow_udf

# The wrapper's files.MAX_BYTES, which travels in the version that it was packaged with.
MAX_BYTES = 2**30
# Of one Arrow batch to the JVM, which would else be as many photos as there were paths in one.
_BATCH_BYTES = 16 * 1024 * 1024

Chunks = Callable[[bytes | None], Iterator[bytes] | None]


def contents() -> Any:
    """A UDF from UTF-8 of a file's path to its bytes; null where there is no regular file that can be read."""
    content_of = content()

    def read(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        for paths in batches:
            photos: list[bytes | None] = []
            size = 0
            for path in paths:
                photos.append(content_of(path.as_py()))
                size += len(photos[-1] or b"")
                if size >= _BATCH_BYTES:
                    yield pa.array(photos, pa.binary())
                    photos, size = [], 0
            if photos:
                yield pa.array(photos, pa.binary())

    return arrow_udf(read, "binary")  # type: ignore[call-overload]


def content() -> Callable[[bytes | None], bytes | None]:
    """A function from UTF-8 of a file's path to its bytes; None where `contents` gives null."""
    chunks = _chunks()

    def read(path: bytes | None) -> bytes | None:
        found = chunks(path)
        return None if found is None else b"".join(found)

    return read


def digests() -> Any:
    """A UDF from UTF-8 of a file's path to the SHA-256 of its bytes; null where `contents` is."""
    chunks = _chunks()

    def digest(path: bytes | None) -> str | None:
        found = chunks(path)
        if found is None:
            return None
        digest = hashlib.sha256()
        for chunk in found:
            digest.update(chunk)
        return digest.hexdigest()

    def read(paths: pa.Array) -> pa.Array:
        return pa.array([digest(path.as_py()) for path in paths], pa.string())

    return arrow_udf(read, "string")  # type: ignore[call-overload]


def _chunks() -> Chunks:
    """A function that gives a file's bytes in pieces, no more of them than there were when it was opened.

    None for what is no regular file, a link, gone, or larger than MAX_BYTES; it waits for no writer. Raises OSError as
    the wrapper's does.
    """
    largest, gone = MAX_BYTES, (FileNotFoundError, NotADirectoryError, PermissionError)

    def chunks(path: bytes | None) -> Iterator[bytes] | None:
        import errno
        import os
        import stat

        if path is None:
            return None
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags)
        except gone:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.ENAMETOOLONG):
                return None
            raise
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > largest:
            os.close(descriptor)
            return None
        return pieces(descriptor, found.st_size)

    def pieces(descriptor: int, left: int) -> Iterator[bytes]:
        import os

        with os.fdopen(descriptor, "rb", buffering=0) as file:
            while left > 0 and (piece := file.read(min(left, 1 << 20))):
                left -= len(piece)
                yield piece

    return chunks
