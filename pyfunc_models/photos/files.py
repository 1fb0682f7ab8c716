"""Photos that a worker reads by itself, where the job gives paths instead of bytes.

Bytes that Spark reads are copied some eight times on their way: into the JVM, through its rows and Arrow, and over a
socket into Python. A path is as good where the worker sees the same files.
"""

import os
from pathlib import Path
from typing import Final

from .status import RowFault, Status

MAX_BYTES: Final = 2**31 - 1
"""What Spark's binaryFile reads at most, whose limit is a Java array's."""


def load(path: bytes | None) -> bytes | RowFault | None:
    """UTF-8 of an absolute path -> the file's bytes; None for None, a fault where the file is gone or too large.

    Raises OSError on whatever else the file system says: that is a fault of the node, and Spark tries a task again.
    """
    if path is None:
        return None
    try:
        with Path(os.fsdecode(path)).open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BYTES:
                return RowFault(Status.TOO_LARGE, f"a file of {size} bytes is above the limit of {MAX_BYTES}")
            return file.read()
    except FileNotFoundError:
        return RowFault(Status.MISSING, "no photo: the file was listed and is there no more")
