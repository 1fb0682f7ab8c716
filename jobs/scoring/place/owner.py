"""One command at a time works on an output; another one is told who does.

That is for people: it saves them from scoring twice. That no chunk is ever there twice does not rest on it, for chunks
have names of their own (`writer`).
"""

import contextlib
import fcntl
import getpass
import json
import os
import socket
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...errors import OutputBusy
from ...meanwhile import every
from .record import JOB
from .stores import PRIVATE, Folder, Store

OWNER = f"{PRIVATE}/owner.json"
# An object store's owner says that often that it lives, and is taken for dead when it has not for so long.
BEAT_S = 10.0
DEAD_S = 60.0


@contextlib.contextmanager
def owned(store: Store) -> Iterator[None]:
    """Nobody else's while inside. Raises OutputBusy where it is."""
    with _locked(store) if isinstance(store, Folder) else _beating(store):
        yield


@contextlib.contextmanager
def _locked(store: Folder) -> Iterator[None]:
    """By a lock of the system's, which ends with the process that holds it, however that ends."""
    path = Path(store.root, OWNER)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _busy(store, os.read(descriptor, 4096)) from error
        os.truncate(descriptor, 0)
        os.write(descriptor, json.dumps(_myself()).encode())
        yield
    finally:
        if store.read(JOB) is None:  # nothing has begun
            _leave_nothing(path)
        os.close(descriptor)


def _leave_nothing(path: Path) -> None:
    path.unlink(missing_ok=True)
    for folder in (path.parent / "unfinished", path.parent, path.parent.parent):
        with contextlib.suppress(OSError):  # what is not empty stays
            folder.rmdir()


@contextlib.contextmanager
def _beating(store: Store) -> Iterator[None]:
    """By an object that its owner writes anew; how old it is, the store's own clock says."""
    me = _myself()
    mine = json.dumps(me).encode()
    _take(store, mine)

    def beat() -> None:
        with contextlib.suppress(Exception):  # the next one may come through
            store.put(OWNER, mine)

    try:
        with every(BEAT_S, beat, "owner"):
            yield
    finally:
        if store.read(OWNER) == mine:
            store.remove(OWNER)


def _take(store: Store, mine: bytes) -> None:
    found = store.read(OWNER)
    if found is not None and store.age_s(OWNER) < DEAD_S:
        raise _busy(store, found)
    if found is not None:
        store.remove(OWNER)
    with store.unfinished() as file:
        file.write_bytes(mine)
        if not store.put_new(OWNER, file):
            raise _busy(store, store.read(OWNER) or b"")


def _myself() -> dict[str, Any]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return {
        "user": user,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "claim": uuid.uuid4().hex,
    }


def _busy(store: Store, found: bytes) -> OutputBusy:
    try:
        said = json.loads(found)
        who = (
            f"{said['user']} on {said['host']} (process {said['process']}) works on it since {said['since']}"
        )
    except (ValueError, KeyError, TypeError):
        who = "another command works on it"
    return OutputBusy(
        f"{store.root!r} is not free: {who}. Wait until that has ended, and run this command again, or name another "
        "output."
    )
