"""A photo that is a file of the worker's own: a regular one, and nothing is waited for."""

import errno
import os
import stat
import sys
from io import FileIO

from pyspark import cloudpickle

from .budget import Allowance
from .fault import FORBIDDEN, MISSING, UNSUPPORTED, NoPhoto

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOFOLLOW
_FAULTS = {
    errno.ENOENT: (MISSING, "there is no such file"),
    errno.ENOTDIR: (MISSING, "there is no such file"),
    errno.ENAMETOOLONG: (MISSING, "the path is too long for a file"),
    errno.EACCES: (FORBIDDEN, "the worker may not read the file"),
    errno.EPERM: (FORBIDDEN, "the worker may not read the file"),
    errno.ELOOP: (UNSUPPORTED, "links lead in a circle"),
    errno.ENXIO: (UNSUPPORTED, "a socket or device is not read"),
    errno.ENODEV: (UNSUPPORTED, "a socket or device is not read"),
}
_PIECE = 1 << 20

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


def load(path: str, allowance: Allowance) -> bytes:
    """The file's bytes, as many as there were when it was opened.

    Raises NoPhoto; OSError on what is a fault of the node, so that Spark tries the task again.
    """
    try:
        descriptor = os.open(os.path.realpath(path), _FLAGS)
    except OSError as error:
        if error.errno in _FAULTS:
            raise NoPhoto(*_FAULTS[error.errno]) from None
        raise
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NoPhoto(UNSUPPORTED, "this is no regular file, and is not read")
        allowance.take(found.st_size)
        return _read(file, found.st_size)


def _read(file: FileIO, left: int) -> bytes:
    pieces = []
    while left > 0 and (piece := file.read(min(left, _PIECE))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
