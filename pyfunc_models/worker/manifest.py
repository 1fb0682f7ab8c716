"""The model directory's manifest: `SHA256SUMS`, in the format of coreutils' `sha256sum`.

A person checks a model by hand with `sha256sum --check SHA256SUMS`.
"""

import hashlib
from collections.abc import Collection
from pathlib import Path

MANIFEST = "SHA256SUMS"
# MLflow adds this file to what it downloads from a registry.
WRITTEN_BY_MLFLOW = frozenset({"registered_model_meta"})
# `jobs` adds this one where it ships the big files apart from the rest.
SHIPPED = "stagewright-shipped.json"


class ManifestError(ValueError):
    """A file of the model is missing, was added or is not what was packaged."""


def write(root: Path) -> Path:
    """List every file below `root` with its SHA-256, sorted by path; returns the manifest's path."""
    manifest = root / MANIFEST
    names = sorted(_files(root) - {MANIFEST})
    manifest.write_text("".join(f"{sha256(root / name)}  {name}\n" for name in names))
    return manifest


def verify(root: Path, compared: Collection[str] = ()) -> None:
    """Compare every file below `root` with the manifest, before anything of the model is parsed.

    `compared` names files whose content this process has compared already.
    Raises ManifestError with the first file that is missing, differs or is not listed.
    """
    expected = read(root)
    for name in sorted(expected):
        path = root / name
        if not path.is_file():
            raise ManifestError(f"{name!r} is missing from the model in {str(root)!r}; fetch it again.")
        if name not in compared and sha256(path) != expected[name]:
            raise ManifestError(
                f"{name!r} is not the file that was packaged: its SHA-256 differs from the one in {MANIFEST}. "
                "Fetch the model again; if it stays so, register it again from its source."
            )
    for name in sorted(_files(root) - set(expected) - WRITTEN_BY_MLFLOW - {MANIFEST, SHIPPED}):
        raise ManifestError(f"{name!r} is not in {MANIFEST}: somebody added it after packaging. Remove it.")


def read(root: Path) -> dict[str, str]:
    """Relative path -> SHA-256 in hex. Raises ManifestError where there is no manifest or a line is off."""
    manifest = root / MANIFEST
    if not manifest.is_file():
        raise ManifestError(f"There is no {MANIFEST} in {str(root)!r}: `pyfunc_models.packaging` writes it.")
    sums: dict[str, str] = {}
    for line in manifest.read_text().splitlines():
        digest, separator, name = line.partition("  ")
        if not separator or len(digest) != 64:
            raise ManifestError(f"{MANIFEST} has a line that is none of sha256sum's: {line!r}.")
        sums[name] = digest
    return sums


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
