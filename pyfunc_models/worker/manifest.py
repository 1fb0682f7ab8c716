"""The model directory's manifest: `SHA256SUMS`, in the format of coreutils' `sha256sum`.

A person checks a model by hand with `sha256sum --check SHA256SUMS`. What is refused here is what the driver refuses:
names that leave the directory, links, and whatever else is there.
"""

import hashlib
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from . import bytecode

MANIFEST = "SHA256SUMS"
# MLflow adds this file to what it downloads from a registry.
WRITTEN_BY_MLFLOW = frozenset({"registered_model_meta"})
# `jobs` adds this one where it ships the big files apart from the rest.
SHIPPED = "stagewright-shipped.json"
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n\\]+)")


class ManifestError(ValueError):
    """A file of the model is missing, was added or is not what was packaged."""


def write(root: Path) -> Path:
    """List every file below `root` with its SHA-256, sorted by path; returns the manifest's path."""
    manifest = root / MANIFEST
    names = sorted(name for name in _files(root) - {MANIFEST} if not bytecode.is_cache(name))
    manifest.write_text("".join(f"{sha256(root / name)}  {name}\n" for name in names))
    return manifest


def verify(root: Path, compared: Collection[str] = (), linked: Collection[str] = ()) -> str:
    """Compare every file below `root` with the manifest, before anything of the model is parsed.

    `compared` names files whose content this process has compared already, `linked` those that were shipped apart;
    both may be links, and nothing else. Returns the SHA-256 of the manifest, which stands for all of the model.
    Raises ManifestError with the first file that is missing, differs or is not listed.
    """
    content = _content(root)
    expected = dict(_lines(content.decode()))
    for name in sorted(expected):
        path = root / name
        if not path.is_file():
            raise ManifestError(f"{name!r} is missing from the model in {str(root)!r}; fetch it again.")
        if path.is_symlink() and name not in compared and name not in linked:
            raise ManifestError(f"{name!r} is a link, not the file that was packaged; fetch the model again.")
        if name not in compared and sha256(path) != expected[name]:
            raise ManifestError(
                f"{name!r} is not the file that was packaged: its SHA-256 differs from the one in {MANIFEST}. "
                "Fetch the model again; if it stays so, register it again from its source."
            )
    for name in sorted(_files(root) - set(expected) - WRITTEN_BY_MLFLOW - {MANIFEST, SHIPPED}):
        _check_unlisted(root, name, expected)
    return hashlib.sha256(content).hexdigest()


def read(root: Path) -> dict[str, str]:
    """Relative path -> SHA-256 in hex. Raises ManifestError where there is no manifest or a line is off."""
    return dict(_lines(_content(root).decode()))


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_inside(name: str) -> bool:
    """Whether it names a file below a directory, and in one way only."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.as_posix() == name


def _content(root: Path) -> bytes:
    manifest = root / MANIFEST
    if not manifest.is_file():
        raise ManifestError(f"There is no {MANIFEST} in {str(root)!r}: `pyfunc_models.packaging` writes it.")
    if manifest.is_symlink():
        raise ManifestError(f"{MANIFEST!r} is a link, not the file that was packaged; fetch the model again.")
    return manifest.read_bytes()


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            raise ManifestError(f"{MANIFEST} has a line that is none of sha256sum's: {line!r}.")
        if not is_inside(found[2]):
            raise ManifestError(f"{MANIFEST} names {found[2]!r}, which is no file of the model.")
        yield found[2], found[1]


def _check_unlisted(root: Path, name: str, expected: Collection[str]) -> None:
    """Python has imported the wrapper before this and may have left its bytecode; nothing else may be there."""
    if bytecode.is_half_written(name):
        return
    source = bytecode.source_of(name)
    if source is None or source not in expected:
        what = "the folder" if bytecode.is_cache(name) else "it"
        raise ManifestError(
            f"{name!r} is not in {MANIFEST}: somebody added it after packaging. Remove {what}."
        )
    if not bytecode.is_of(root / name, root / source):
        raise ManifestError(
            f"{name!r} is not what Python makes of {source!r}, which was packaged. The model is not to be "
            "trusted: fetch it again."
        )


def _files(root: Path) -> set[str]:
    """All that is no folder, and links to folders too."""
    found: set[str] = set()
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        linked = (name for name in folders if (here / name).is_symlink())
        found.update((here / name).relative_to(root).as_posix() for name in (*files, *linked))
    return found
