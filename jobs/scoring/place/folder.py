"""An output in a folder of a file system. Travels by value to executors: see `store`."""

import contextlib
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyspark import cloudpickle

from .store import PRIVATE

_UNFINISHED = f"{PRIVATE}/unfinished"

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


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


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
