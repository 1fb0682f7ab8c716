"""A version's model directory, on this machine and verified."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from registry import tags
from registry.errors import ArtifactMismatch, ForeignVersion
from registry.trust import manifest
from registry.trust.packaged import DESCRIPTION
from registry.versions import ModelVersion

if TYPE_CHECKING:
    from registry.client import Client


def fetch(client: Client, version: ModelVersion, into: Path) -> Path:
    """Download a version once into a folder of its own below `into`, and verify it before anything reads it.

    A copy that is there already is verified again and used. What does not verify is removed.
    Raises ForeignVersion where there is nothing to verify against, ArtifactMismatch where a file is wrong.
    """
    digest = _manifest_digest(version)
    target = into / f"v{version.number}-{digest[:16]}"
    if not target.exists():
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=into) as scratch:
            copy = Path(scratch) / "model"
            copy.mkdir()
            client.download(version, copy)
            _verify(copy, version, digest)
            if _published(copy, target):
                return target
    _verify(target, version, digest)
    return target


def _verify(directory: Path, version: ModelVersion, digest: str) -> None:
    """Every byte, and then that the tag by which policies know of pickles says what the package says."""
    manifest.verify(directory, digest)
    description = directory / DESCRIPTION
    pickled = (
        json.loads(description.read_text(encoding="utf-8")).get("pickled", [])
        if description.is_file()
        else []
    )
    if tuple(pickled) != version.pickled:
        raise ArtifactMismatch(
            f"The model's file {DESCRIPTION!r} names the pickled parts {list(pickled)}, the tag "
            f"{tags.PICKLED!r} of {version.pinned_uri} {list(version.pickled)}.",
            f"Find out who changed the tag: `stagewright history {version.name}`.",
        )


def _published(copy: Path, target: Path) -> bool:
    """Give a verified copy its name; False where another process was faster."""
    try:
        copy.rename(target)
    except OSError:
        if not target.exists():
            raise
        return False
    return True


def _manifest_digest(version: ModelVersion) -> str:
    if version.manifest_digest is None:
        raise ForeignVersion(
            f"{version.pinned_uri} was not packaged by stagewright: it has no manifest to verify it against.",
            "Package and register the model with `stagewright register`.",
        )
    return version.manifest_digest
