"""A model's big files once per node: stored by digest, shared by every worker process, capped in size.

The store is a folder of one user, `$STAGEWRIGHT_STORE/v1`, by default below the node's temporary folder:

    files/<sha256>    a file's content; whoever uses it holds a shared flock on it until its process ends
    claims/<random>   a folder that MLflow extracted for a process; it holds the claim's flock until it ends
    partial/          what is being put in, under the lock; what lies there with the lock free is rubbish
    lock              flock of whoever changes anything above

The kernel drops a flock with the process that holds it, however that ends, so nobody waits for the dead.
Every process compares what it takes with the manifest (70 ms for 100 MB), so nothing here is ever just trusted.
"""

import fcntl
import logging
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .manifest import sha256

STORE_VARIABLE = "STAGEWRIGHT_STORE"
CAP_VARIABLE = "STAGEWRIGHT_STORE_MAX_BYTES"
DEFAULT_MAX_BYTES = 4 * 1024**3

log = logging.getLogger(__name__)

# Descriptors that are kept open for their flocks, until the process ends.
_held: dict[Path, int] = {}


class StoreUnavailable(RuntimeError):
    """The store cannot be used here; says why, and what to do."""


class NodeStore:
    """The files that all of a user's processes on this node share; see the module."""

    def __init__(self, folder: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        """Open the store in `folder`, making it where it is not there.

        Raises StoreUnavailable where `folder` is somebody else's or others may write to it, OSError where it
        cannot be made.
        """
        _make_private(folder)
        self._root = folder / "v1"
        self._files, self._claims, self._partial = (
            self._root / name for name in ("files", "claims", "partial")
        )
        for part in (self._root, self._files, self._claims, self._partial):
            part.mkdir(mode=0o700, exist_ok=True)
        self.max_bytes = max_bytes

    @classmethod
    def here(cls) -> "NodeStore":
        """The store of this user on this node. Raises as the constructor, and StoreUnavailable on a bad cap."""
        default = Path(tempfile.gettempdir()) / f"stagewright-store-{os.getuid()}"
        cap = os.environ.get(CAP_VARIABLE) or str(DEFAULT_MAX_BYTES)
        if not cap.isdigit():
            raise StoreUnavailable(
                f"{CAP_VARIABLE}={cap!r} is not a number of bytes, such as {DEFAULT_MAX_BYTES}."
            )
        return cls(Path(os.environ.get(STORE_VARIABLE) or default), int(cap))

    def take(self, digest: str, source: Path) -> Path | None:
        """The stored file with this SHA-256, put in from `source` where it is not there; this process then holds it.

        This very process has compared its content with `digest`. None where neither the store nor `source`
        has that content. `source` is left as it is.
        """
        stored = self._files / digest
        if self._is_intact(stored) or self._put(stored, source) or self._is_intact(stored):
            return stored
        return None

    def claim(self, extraction: Path) -> None:
        """Have `extraction` removed once this process has ended, by whoever uses the store next."""
        status = extraction.lstat()
        claim = self._claims / uuid.uuid4().hex
        with self._locked():
            _hold(claim, os.O_RDWR | os.O_CREAT | os.O_EXCL, fcntl.LOCK_EX)
            claim.write_text(f"{status.st_dev} {status.st_ino} {extraction}")

    def sweep(self) -> None:
        """Remove what ended processes left: claimed extractions and half-written files."""
        with self._locked():
            for rubbish in self._partial.iterdir():
                rubbish.unlink()
            abandoned = [claim for claim in self._claims.iterdir() if _is_free(claim)]
            for claim in abandoned:
                _remove_claimed(claim.read_text())
                claim.unlink()

    def _is_intact(self, stored: Path) -> bool:
        """Whether it is there with the content that its name says; takes out what is damaged."""
        with self._locked():
            if not stored.exists():
                return False
            _hold(stored, os.O_RDONLY, fcntl.LOCK_SH)
        if sha256(stored) == stored.name:
            return True
        log.warning("%s is damaged: it is taken out of the store and put in again.", stored)
        with self._locked():
            if _is_held(stored):  # else somebody has put in another one meanwhile
                stored.unlink()
        return False

    def _put(self, stored: Path, source: Path) -> bool:
        """Put it in; False where another process was faster, or `source` has other content or is not there."""
        partial = self._partial / uuid.uuid4().hex
        with self._locked():
            if stored.exists() or not source.is_file():
                return False
            try:
                _link_or_copy(source, partial)
                if sha256(partial) != stored.name:
                    return False
                partial.chmod(0o400)
                partial.rename(stored)
            finally:
                partial.unlink(missing_ok=True)
            _hold(stored, os.O_RDONLY, fcntl.LOCK_SH)
            self._evict()
        return True

    def _evict(self) -> None:
        """Drop what was used longest ago until the rest fits; what a live process holds stays, above the cap or not."""
        statuses = {path: path.stat() for path in self._files.iterdir()}
        total = sum(status.st_size for status in statuses.values())
        for path in sorted(statuses, key=lambda path: statuses[path].st_mtime_ns):
            if total <= self.max_bytes:
                return
            if _is_free(path):
                path.unlink()
                total -= statuses[path].st_size

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _make_private(folder: Path) -> None:
    for missing in reversed([path for path in (folder, *folder.parents) if not os.path.lexists(path)]):
        missing.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise StoreUnavailable(f"{str(folder)!r} is a link or a file; name a folder in {STORE_VARIABLE}.")
    if status.st_uid != os.getuid():
        raise StoreUnavailable(
            f"{str(folder)!r} belongs to user {status.st_uid}, not to {os.getuid()}, who runs this worker; "
            f"name a folder of its own in {STORE_VARIABLE}."
        )
    if status.st_mode & 0o022:
        raise StoreUnavailable(
            f"Others may write to {str(folder)!r} (mode {stat.S_IMODE(status.st_mode):o}); "
            f"`chmod 700` it, or name another folder in {STORE_VARIABLE}."
        )
    for parent in {*folder.absolute().parents, *folder.resolve().parents}:
        _check_parent(folder, parent)


def _check_parent(folder: Path, parent: Path) -> None:
    """Who may rename a folder, or what lies above it, may put another one in its place."""
    status = parent.lstat()
    if status.st_uid not in (0, os.getuid()):
        raise StoreUnavailable(
            f"{str(folder)!r} lies below {str(parent)!r}, which belongs to user {status.st_uid}, who may put another "
            f"folder there; name one below folders of your own or of root in {STORE_VARIABLE}."
        )
    others_may_write = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
    if others_may_write and not stat.S_ISLNK(status.st_mode):
        raise StoreUnavailable(
            f"{str(folder)!r} lies below {str(parent)!r}, where others may put another folder in its place (mode "
            f"{stat.S_IMODE(status.st_mode):o}, without the sticky bit); `chmod go-w` it, or name another folder in "
            f"{STORE_VARIABLE}."
        )


def _hold(path: Path, flags: int, lock: int) -> None:
    """Keep a flock on it until this process ends, and note that it was used now: what eviction goes by."""
    if not _is_held(path):
        descriptor = os.open(path, flags, 0o600)
        fcntl.flock(descriptor, lock)
        if path in _held:
            os.close(_held[path])
        _held[path] = descriptor
    os.utime(path)


def _is_held(path: Path) -> bool:
    with suppress(KeyError, FileNotFoundError):
        return os.path.samestat(os.fstat(_held[path]), path.stat())
    return False


def _is_free(path: Path) -> bool:
    """Whether no live process holds a flock on it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _remove_claimed(claim: str) -> None:
    device, inode, name = claim.split(" ", 2) if claim.count(" ") >= 2 else ("", "", "")
    extraction = Path(name)
    with suppress(FileNotFoundError):
        status = extraction.lstat()
        # The name may mean another folder by now, or in another container.
        if (str(status.st_dev), str(status.st_ino)) == (device, inode):
            _remove(extraction)


def _remove(extraction: Path) -> None:
    if extraction.is_symlink():
        extraction.unlink()
    else:
        shutil.rmtree(extraction, ignore_errors=True)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
