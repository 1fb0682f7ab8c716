"""One temporary folder for all that a process leaves lying about: gone with the process, or removed by the next one.

    TMPDIR/stagewright-UID/                       of this user alone (0700)
        PID-HOST-BOOT-RANDOM/                     of one process, which holds a flock on it until it ends
        logs/                                     what Spark said in the last jobs that failed

The kernel drops a flock with its process, however that ends; so a folder whose flock is free has no living owner. It
is removed where that can be told from here: where it was made under this kernel, or by this machine, outside of any
container, before it was started again.
"""

import atexit
import fcntl
import hashlib
import logging
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from registry.processes import OUTERMOST, Process

KEPT_LOGS = 20
_NAME = re.compile(r"\d+-([0-9a-f]{8})-([0-9a-f]{8})-\w+")
_LOGS = "logs"
_ATTEMPTS = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Own:
    """The folder of the process `pid`; `alone`: nothing else is in its parent."""

    pid: int
    path: Path
    alone: bool = False


_own: list[_Own] = []


def folder() -> Path:
    """This process's own folder, made when it is first asked for. Raises OSError where there is no place for one.

    What ended processes left is removed before. A process that was forked has its parent's.
    """
    if not _own:
        _own.append(_make(Path(tempfile.gettempdir())))
        atexit.register(_remove_own)
    return _own[0].path


def new(prefix: str) -> Path:
    """A new folder in this process's own."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=folder()))


@contextmanager
def everything_inside() -> Iterator[None]:
    """Whatever asks for a temporary file inside, also in a process started there, gets one in this process's folder.

    Where no folder can be made all stays as it is: who needs one will say so.
    """
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    with suppress(OSError):
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder())
    try:
        yield
    finally:
        tempfile.tempdir = before
        os.environ.pop("TMPDIR", None)
        if variable is not None:
            os.environ["TMPDIR"] = variable


def keep_log(file: Path) -> Path:
    """Move a log to where it outlives this process; of those there, the newest stay. Gives its new path."""
    logs = folder().parent / _LOGS
    logs.mkdir(mode=0o700, exist_ok=True)
    kept = logs / f"spark-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
    file.rename(kept)
    by_age = sorted(logs.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for older in by_age[KEPT_LOGS:]:
        older.unlink(missing_ok=True)
    return kept


def _make(temporary: Path) -> _Own:
    parent = _private(temporary / f"stagewright-{os.getuid()}")
    if parent is None:
        # Its own parent too, so that nothing but this process's is there.
        alone = Path(tempfile.mkdtemp(prefix="stagewright-", dir=temporary))
        return _Own(os.getpid(), Path(tempfile.mkdtemp(dir=alone)), alone=True)
    _sweep(parent)
    for _ in range(_ATTEMPTS):
        path = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-{'-'.join(_here())}-", dir=parent))
        with suppress(OSError):  # where there are no flocks, nobody gets one to remove it either
            if _lock(path) is None:  # and is never closed, so that it ends with the process
                continue
        return _Own(os.getpid(), path)
    raise OSError(f"{str(parent)!r}: what is made there is removed at once")


def _private(parent: Path) -> Path | None:
    """A folder that this user alone can enter, made where it is not there; None where somebody else has its name."""
    with suppress(FileExistsError):
        parent.mkdir(mode=0o700)
    status = parent.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        log.warning(
            "%r is not a folder of user %d: temporary files go elsewhere, and if this job is killed nobody removes "
            "them. Name another folder in TMPDIR.",
            str(parent),
            os.getuid(),
        )
        return None
    if stat.S_IMODE(status.st_mode) != 0o700:
        parent.chmod(0o700)
    return parent


def _sweep(parent: Path) -> None:
    """Remove the folders of processes that have ended."""
    host, boot = _here()
    for path in parent.iterdir():
        name = _NAME.fullmatch(path.name)
        if name is None or (name[1] != host and name[2] != boot):
            continue
        with suppress(OSError):
            locked = _lock(path)
            if locked is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(locked)


def _lock(path: Path) -> int | None:
    """A descriptor that, while it is open, holds a flock on the folder; None where another does, or it is gone.

    Raises OSError where this file system has no flocks.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.lstat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _here() -> tuple[str, str]:
    """This machine and this start of its kernel, in eight letters each."""
    found = Process.here()
    if found is None:
        machine, boot = os.uname().nodename, ""
    elif found.machine and found.namespace == OUTERMOST:
        machine, boot = f"{found.host} {found.machine}", found.boot
    else:  # a container: others elsewhere may have its name, and what its image says of the machine
        machine, boot = f"{found.boot} {found.namespace}", found.boot
    host, started = (hashlib.sha256(part.encode()).hexdigest()[:8] for part in (machine, boot))
    return host, started


def _remove_own() -> None:
    [own] = _own
    if own.pid != os.getpid():
        return
    shutil.rmtree(own.path, ignore_errors=True)
    if own.alone:
        with suppress(OSError):
            own.path.parent.rmdir()
