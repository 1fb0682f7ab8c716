"""Where an output lies: a folder of a file system, or a prefix of an object store; the few things done to it.

Travels by value to executors, where nothing of stagewright is installed: the standard library, and obstore for object
stores.

What is put becomes visible at once and whole, or not at all. A new name is given once only: whoever comes second is
told so, and what the first one put stays.
"""

import contextlib
import io
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from pyspark import cloudpickle

# Below the output; readers pass by names that begin with an underscore, and nothing in it ends with .parquet.
PRIVATE = "_stagewright"
_UNFINISHED = f"{PRIVATE}/unfinished"
# How long a request is tried again: a store's own pauses are shorter.
RETRY_S = 60.0
_OBJECTS = ("s3://", "s3a://", "gs://", "az://", "abfs://", "abfss://")

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


class Store(Protocol):
    """Names below one root; `/` parts them."""

    root: str

    def names(self, folder: str = "") -> list[str]:
        """The names of the files in a folder itself, in no order; none where there is no such folder."""

    def read(self, name: str) -> bytes | None:
        """What was put under a name; None where nothing was."""

    def put(self, name: str, content: bytes) -> None:
        """Whole, in place of what was there."""

    def put_new(self, name: str, content: Path) -> bool:
        """A file's content under a name that has none; False, and nothing done, where it has one."""

    def remove(self, name: str) -> None:
        """Nothing is under the name any more."""

    def is_free(self) -> bool:
        """Whether there is nothing at the root, or nothing but what is kept in PRIVATE."""

    def open(self, name: str) -> Any:
        """What was put under a name, as a file to be read here and there."""

    def size(self, name: str) -> int:
        """Of what was put under a name, in bytes."""

    def age_s(self, name: str) -> float:
        """How long ago something was put under a name, by the store's own clock."""

    def unfinished(self) -> contextlib.AbstractContextManager[Path]:
        """A new local file to be filled for `put_new`; gone afterwards."""

    def clear_unfinished(self) -> None:
        """Remove what killed writers left."""


def store_at(path: str) -> Store | None:
    """The store that a path or address names; None where only Spark can write there, as with hdfs:."""
    if path.startswith(_OBJECTS):
        return Bucket(path)
    scheme = path.partition(":")[0] if ":" in path.partition("/")[0] else "file"
    return Folder(local_path(path)) if scheme == "file" else None


def local_path(path: str) -> str:
    """`file:` addresses and relative paths as absolute ones."""
    if path.startswith("file:"):
        path = "/" + path[len("file:") :].lstrip("/")
    return str(Path(path).absolute())


class Folder:
    """Of a file system in which a new link to a file, or a rename, is one step: POSIX, NFS."""

    def __init__(self, root: str) -> None:
        self.root = root

    def names(self, folder: str = "") -> list[str]:
        try:
            with os.scandir(self._path(folder)) as entries:
                return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        except FileNotFoundError:
            return []

    def read(self, name: str) -> bytes | None:
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put(self, name: str, content: bytes) -> None:
        with self.unfinished() as file:
            file.write_bytes(content)
            _to_disk(file)
            self._folder_of(name)
            os.replace(file, self._path(name))  # noqa: PTH105

    def put_new(self, name: str, content: Path) -> bool:
        _to_disk(content)
        self._folder_of(name)
        try:
            os.link(content, self._path(name))
        except FileExistsError:
            return False
        except OSError:  # a file system without links to files
            return self._rename_new(name, content)
        _to_disk(self._path(name).parent)
        return True

    def remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def is_free(self) -> bool:
        try:
            # An empty folder is what a command leaves that ends as it begins, and what a new volume is.
            return set(os.listdir(self.root)) <= {PRIVATE}  # noqa: PTH208
        except FileNotFoundError:
            return True
        except NotADirectoryError:
            return False

    def open(self, name: str) -> Any:
        return self._path(name).open("rb")

    def size(self, name: str) -> int:
        return self._path(name).stat().st_size

    def age_s(self, name: str) -> float:
        with self.unfinished() as clock:
            clock.touch()
            return clock.stat().st_mtime - self._path(name).stat().st_mtime

    @contextlib.contextmanager
    def unfinished(self) -> Iterator[Path]:
        # On the same file system as what it becomes.
        file = self._path(f"{_UNFINISHED}/{uuid.uuid4().hex}")
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)

    def clear_unfinished(self) -> None:
        """Remove what killed writers left; those that live notice and try again."""
        shutil.rmtree(self._path(_UNFINISHED), ignore_errors=True)

    def _rename_new(self, name: str, content: Path) -> bool:
        if self._path(name).exists():
            return False
        os.replace(content, self._path(name))  # noqa: PTH105
        return True

    def _folder_of(self, name: str) -> None:
        self._path(name).parent.mkdir(parents=True, exist_ok=True)

    def _path(self, name: str) -> Path:
        return Path(self.root, name)


class Bucket:
    """An object store, in which nothing can be renamed and one put is one step; by obstore.

    Credentials, region and endpoint come from the environment, as obstore has them: AWS_ACCESS_KEY_ID, …
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/").replace("s3a://", "s3://", 1)
        self._opened: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, "_opened": None}

    def names(self, folder: str = "") -> list[str]:
        found = self._store().list_with_delimiter(folder or None)
        return [str(entry["path"]).rpartition("/")[2] for entry in found["objects"]]

    def read(self, name: str) -> bytes | None:
        try:
            return bytes(self._store().get(name).bytes())
        except FileNotFoundError:
            return None

    def put(self, name: str, content: bytes) -> None:
        self._store().put(name, content)

    def put_new(self, name: str, content: Path) -> bool:
        from obstore.exceptions import AlreadyExistsError

        try:
            self._store().put(name, content, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        return True

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._store().delete(name)

    def is_free(self) -> bool:
        found = self._store().list_with_delimiter()
        return not found["objects"] and not {str(each).strip("/") for each in found["common_prefixes"]} - {
            PRIVATE
        }

    def open(self, name: str) -> Any:
        return _Object(self._store(), name)

    def size(self, name: str) -> int:
        return int(self._store().head(name)["size"])

    def age_s(self, name: str) -> float:
        """How long ago something was put under a name, by the store's own clock."""
        clock = f"{PRIVATE}/clock-{uuid.uuid4().hex}"
        self.put(clock, b"")
        try:
            now, then = (self._store().head(each)["last_modified"] for each in (clock, name))
        finally:
            self.remove(clock)
        return float((now - then).total_seconds())

    @contextlib.contextmanager
    def unfinished(self) -> Iterator[Path]:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="stagewright-chunk-") as folder:
            yield Path(folder, "chunk")

    def clear_unfinished(self) -> None:
        """Nothing: what is not finished lies with whoever writes it."""

    def _store(self) -> Any:
        if self._opened is None:
            from obstore.store import from_url

            # Which takes the place of what the environment says of the client, but not of anything else.
            plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("true", "1")
            self._opened = from_url(
                self.root,
                client_options={"timeout": "60s", "connect_timeout": "5s", "allow_http": plain},
                retry_config={"max_retries": 8, "retry_timeout": timedelta(seconds=RETRY_S)},
            )
        return self._opened


class _Object(io.RawIOBase):
    """An object, read by ranges: of a Parquet file mostly the end is wanted."""

    def __init__(self, store: Any, name: str) -> None:
        self._store = store
        self._name = name
        self._size = int(store.head(name)["size"])
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = max(0, min(len(buffer), self._size - self._at))
        if wanted:
            buffer[:wanted] = bytes(self._store.get_range(self._name, start=self._at, length=wanted))
        self._at += wanted
        return wanted


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
