"""`SHA256SUMS`: what a packaged model consists of, to the byte.

The text format of coreutils' sha256sum: `<64 hex>  relative/path`, one line a file, every file but itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from registry.errors import ArtifactMismatch

MANIFEST = "SHA256SUMS"
# MLflow adds this one when it downloads by models:/NAME/VERSION.
_WRITTEN_ON_DOWNLOAD = frozenset({"registered_model_meta"})
BYTECODE = "__pycache__"
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n\\]+)")


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verify(directory: Path, manifest_digest: str) -> dict[str, str]:
    """Check each byte of a model directory before any of it is read as anything else; gives name -> SHA-256.

    First the manifest against its digest, then that every listed file is there and equal and that no
    other file is. Raises ArtifactMismatch, which names the file.
    """
    manifest = directory / MANIFEST
    if not manifest.is_file() or manifest.is_symlink():
        raise _mismatch(MANIFEST, "is missing")
    if digest_of(manifest) != manifest_digest:
        raise _mismatch(MANIFEST, "is not the manifest that was registered")
    listed = _listed(manifest)
    for name, digest in listed.items():
        _verify_file(directory, name, digest)
    added = _files(directory) - listed.keys() - _WRITTEN_ON_DOWNLOAD - {MANIFEST}
    for name in sorted(added, key=lambda name: (_is_bytecode(name), name)):
        raise _mismatch(name, "was added after the model was packaged", _hint(directory, name))
    for name in _WRITTEN_ON_DOWNLOAD:
        _check_added(directory / name)
    return listed


def _listed(manifest: Path) -> dict[str, str]:
    try:
        lines = list(_lines(manifest.read_text(encoding="utf-8")))
    except UnicodeDecodeError:
        raise _mismatch(MANIFEST, "is no text") from None
    listed = dict(lines)
    if len(listed) != len(lines):
        raise _mismatch(MANIFEST, "names a file twice")
    return listed


def _check_added(path: Path) -> None:
    """What MLflow adds is in no manifest, and so may hold anything, but it is a file."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise _mismatch(path.name, "is no file")


def _verify_file(directory: Path, name: str, digest: str) -> None:
    path = directory / name
    if path.is_symlink() or not path.is_file():
        raise _mismatch(name, "is missing")
    if digest_of(path) != digest:
        raise _mismatch(name, "is not the file that was packaged")


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None or _leaves_the_directory(match[2]):
            raise _mismatch(MANIFEST, f"has a line {number} that names no file of the model: {line!r}")
        yield match[2], match[1]


def _leaves_the_directory(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or path.as_posix() != name


def _files(directory: Path) -> set[str]:
    return {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


def _is_bytecode(name: str) -> bool:
    return PurePosixPath(name).parent.name == BYTECODE


def _hint(directory: Path, name: str) -> str:
    """A folder whose code was imported is no damaged one, but nothing says what its bytecode does."""
    if not _is_bytecode(name):
        return ""
    return (
        "Python leaves it where code is imported, and would run it in place of the code that was packaged. "
        f"If somebody has loaded the model from this folder by hand, remove it: "
        f"find {str(directory)!r} -name {BYTECODE} -exec rm -r {{}} +"
    )


def _mismatch(name: str, what: str, hint: str = "") -> ArtifactMismatch:
    return ArtifactMismatch(f"The model's file {name!r} {what}.", hint)
