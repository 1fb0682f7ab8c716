"""A model directory as it leaves the driver, and whether what arrived is that; travels by value, as `arrivals` does."""

import hashlib
import json
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pyspark import cloudpickle

# Spelt by pyfunc_models too, which travels in the version that the model was packaged with.
SHIPPED = "stagewright-shipped.json"

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Sent:
    """A model directory as it leaves the driver.

    `files`: relative path -> SHA-256; `apart`: names of those that are shipped apart, which the wrapper compares with
    its manifest once it has been compared itself.
    """

    files: Mapping[str, str]
    apart: frozenset[str]

    @classmethod
    def of(cls, directory: Path) -> "Sent":
        """What is in a directory of this process alone, verified before."""
        files = {path: file for path in directory.rglob("*") if (file := _regular(path)) is not None}
        notes = [path for path in files if path.name == SHIPPED]
        apart = {
            (note.parent / name).relative_to(directory).as_posix()
            for note in notes
            for name in json.loads(note.read_text())["files"]
        }
        named = {path.relative_to(directory).as_posix(): digest for path, digest in files.items()}
        return cls(named, frozenset(apart))

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of names and contents."""
        return digest_of(dict(self.files))


def compare(folder: str, files: dict[str, str], apart: frozenset[str]) -> None:
    """Raises RuntimeError where a directory is not, to the byte, the one that was sent."""
    there = _names(folder)
    for name, digest in files.items():
        if name not in there:
            raise _stranger(name, "is missing")
        if _regular(Path(folder, name)) != digest:
            raise _stranger(name, "is another file")
    for name in sorted(there - files.keys() - apart):
        raise _stranger(name, "was added")


def _names(folder: str) -> set[str]:
    """All that is no folder, and links to folders too. Raises FileNotFoundError where there is no such folder."""
    if not os.path.isdir(folder):  # noqa: PTH112
        raise FileNotFoundError(folder)
    found: set[str] = set()
    for here, folders, names in os.walk(folder):
        linked = [name for name in folders if os.path.islink(os.path.join(here, name))]  # noqa: PTH114, PTH118
        found.update(Path(here, name).relative_to(folder).as_posix() for name in (*names, *linked))
    return found


def _regular(path: Path) -> str | None:
    """The SHA-256 of a file's content; None where it is a link, a folder or anything else."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stranger(name: str, what: str) -> RuntimeError:
    return RuntimeError(
        f"The model that reached this worker is not the one that the job verified: {name!r} {what}. Nothing of it was "
        "loaded. See who may write to the worker's temporary folder, then run the job again."
    )


def digest_of(files: dict[str, str]) -> str:
    """SHA-256, in hex, of names and contents."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
