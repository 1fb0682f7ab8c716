"""What this machine could not give, in one line: disk, memory, files, rights."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

_SAID: dict[int, str] = {
    errno.ENOSPC: "A disk is full{where}. Make room, or name another folder for temporary files in TMPDIR.",
    errno.EDQUOT: "The quota of this user is used up{where}. Make room, or name another folder in TMPDIR.",
    errno.EFBIG: "A file would be larger than this process may write{where}: see `ulimit -f`.",
    errno.EMFILE: "Too many files are open in this process{where}: raise `ulimit -n`.",
    errno.ENFILE: "Too many files are open on this machine{where}.",
    errno.ENOMEM: "This machine has no memory left for this process{where}. See `ulimit -v`, and who else is running.",
    errno.EAGAIN: "This machine starts no more processes or threads for this user{where}: see `ulimit -u`.",
    errno.EACCES: "This user may not do that{where}: see who owns it, and its rights.",
    errno.EPERM: "This user may not do that{where}: see who owns it, and its rights.",
    errno.EROFS: "That file system is read only{where}. Name another folder, for temporary files in TMPDIR.",
}
_NO_FOLDER = "No usable temporary directory found"
_NO_MEMORY = re.compile(
    r"failed to map segment|[Cc]annot allocate memory|bad_alloc|can't start new thread|DefaultCPUAllocator"
)


def explain(error: BaseException) -> str | None:
    """The line for an exception that a machine's want of something is behind; None for any other."""
    return next((line for line in map(_line, _chain(error)) if line is not None), None)


def _line(error: BaseException) -> str | None:
    if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
        return _SAID[errno.ENOMEM].format(where="")
    if not isinstance(error, OSError):
        return None
    if _NO_FOLDER in str(error):
        return f"{error.strerror}: each is full or forbids to write. Name one in TMPDIR."
    file = error.filename2 or error.filename  # of two, the one that was written
    where = "" if file is None else f": {str(file)!r}"
    said = _SAID.get(error.errno or 0)
    return None if said is None else said.format(where=where)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, and what it was raised from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
