"""Photos that a worker reads by itself, where the job gives paths instead of bytes.

Bytes that Spark reads are copied some eight times on their way: into the JVM, through its rows and Arrow, and over a
socket into Python. A path is as good where the worker sees the same files.

Whoever may write into a folder of photos may put anything under a photo's name, also after it was listed. So no link is
followed, nothing is waited for, and no more is read than a file had when it was opened.
"""

import errno
import os
import stat
from typing import Final

from . import containers
from .status import RowFault, Status

MAX_BYTES: Final = 2**30
"""More than a photo at the limit of pixels can have: 16 bits a channel, four channels, no compression are 716 MB."""

# From this size on the format is looked at first, by the head, which is enough to tell it by.
_LARGE: Final = 16 * 1024 * 1024
_HEAD: Final = 4 * 1024
_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC

_NOT_REGULAR: Final = "is no regular file, and is not read"
_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# What the name itself stands for, so that trying again on another node would say the same.
_OF_THE_ROW: Final = {
    errno.ENOENT: RowFault(Status.MISSING, "no photo: the file was listed and is there no more"),
    errno.ENOTDIR: RowFault(Status.MISSING, "no photo: the file's folder was listed and is there no more"),
    errno.ENAMETOOLONG: RowFault(Status.MISSING, "no photo: the file's path is too long to be opened"),
    errno.EACCES: RowFault(Status.MISSING, "no photo: the worker may not read the file"),
    errno.EPERM: RowFault(Status.MISSING, "no photo: the worker may not read the file"),
    errno.ELOOP: RowFault(Status.UNSUPPORTED, "no photo: the file is a link, and links are not followed"),
    errno.ENXIO: RowFault(Status.UNSUPPORTED, f"no photo: a socket or device {_NOT_REGULAR}"),
    errno.ENODEV: RowFault(Status.UNSUPPORTED, f"no photo: a socket or device {_NOT_REGULAR}"),
}


def load(path: bytes | None) -> bytes | RowFault | None:
    """UTF-8 of an absolute path -> the file's bytes; None for None, or the row's fault.

    `missing` is what is gone or may not be read, `unsupported` what is a link or no regular file, `too_large` what has
    more than MAX_BYTES. Of what is large and no photo there is only the head. Raises OSError on whatever else the file
    system says: that is a fault of the node, and Spark tries a task again.
    """
    if path is None:
        return None
    if b"\0" in path:
        return _OF_THE_ROW[errno.ENOENT]
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno in _OF_THE_ROW:
            return _OF_THE_ROW[error.errno]
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            kind = _KINDS.get(stat.S_IFMT(found.st_mode), "this")
            return RowFault(Status.UNSUPPORTED, f"no photo: {kind} {_NOT_REGULAR}")
        return _read(descriptor, found.st_size)
    except MemoryError:
        return RowFault(Status.TOO_LARGE, f"a file of {found.st_size} bytes takes more memory than there is")
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int) -> bytes | RowFault:
    """As many bytes as there were, whatever has been added since."""
    if size >= _LARGE:
        head = os.pread(descriptor, _HEAD, 0)
        if containers.format_of(head) is None:  # its head is all that its fault is made of
            return head
    if size > MAX_BYTES:
        return RowFault(Status.TOO_LARGE, f"a file of {size} bytes is above the limit of {MAX_BYTES}")
    return _read_up_to(descriptor, size)


def _read_up_to(descriptor: int, size: int) -> bytes:
    """Fewer only where the file ends before; one call is what it takes nearly always."""
    first = os.read(descriptor, size)
    if len(first) == size or not first:
        return first
    parts, left = [first], size - len(first)
    while left and (part := os.read(descriptor, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
