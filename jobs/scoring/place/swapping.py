"""One folder takes another's place, and its readers find the one or the other, whole."""

import ctypes
import errno
import os
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


def put_in_place(new: Path, place: Path) -> None:
    """`new` is at `place` afterwards, and what was at `place`, if anything, is where `new` was.

    In one step where the system can (renameat2 of Linux 3.15, most local file systems); else there is nothing at
    `place` for a moment.
    """
    if not place.exists():
        new.rename(place)
    elif not _exchanged(new, place):
        aside = place.with_name(f"{place.name}.aside-{os.getpid()}")
        place.rename(aside)
        new.rename(place)
        aside.rename(new)


def _exchanged(one: Path, other: Path) -> bool:
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return False
    paths = (os.fsencode(one), os.fsencode(other))
    if not function(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE):
        return True
    failed = ctypes.get_errno()
    if failed in _UNSUPPORTED:
        return False
    raise OSError(failed, os.strerror(failed), str(other))
