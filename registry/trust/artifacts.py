"""A version's model directory, on this machine and verified."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from registry import tags
from registry.errors import ArtifactMismatch, ForeignVersion, InvalidPackage
from registry.trust.packaged import PackagedModel
from registry.versions import ModelVersion

if TYPE_CHECKING:
    from registry.client import Client

# What MLflow may say otherwise for a reason: it is written in one more form with each release of it.
_NOT_COMPARED = frozenset({tags.SCHEMA, tags.PACKAGE_FORMAT})


def fetch(client: Client, version: ModelVersion, into: Path) -> PackagedModel:
    """Download a version once into a folder of its own below `into`, and verify it before anything reads it.

    A copy that is there already is verified again and used. What does not verify is removed.
    Raises ForeignVersion where there is nothing to verify against, ArtifactMismatch where a file is wrong, is
    none that packaging writes, or is not what the version's tags say of it.
    """
    digest = _manifest_digest(version)
    target = into / f"v{version.number}-{digest[:16]}"
    if not target.exists():
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=into) as scratch:
            copy = Path(scratch) / "model"
            copy.mkdir()
            client.download(version, copy)
            package = _verified(copy, version, digest)
            if _published(copy, target):
                return package.at(target)
    return _verified(target, version, digest)


def _verified(directory: Path, version: ModelVersion, digest: str) -> PackagedModel:
    """Every byte, and then that the tags by which people and policies know the version say what it is."""
    try:
        package = PackagedModel.verified(directory, digest)
    except (ArtifactMismatch, InvalidPackage) as fault:
        hint = (isinstance(fault, ArtifactMismatch) and fault.hint) or _who(version)
        raise ArtifactMismatch(f"{version.pinned_uri} is refused. {fault.message}", hint) from fault
    said = package.as_tags()
    figures = {key: None for key in version.tags if key.startswith((tags.MEASURED, tags.SETTING))}
    for key, computed in {**figures, **said}.items():
        claimed = version.tags.get(key)
        if key in _NOT_COMPARED or claimed == computed or (claimed is None and key != tags.MODEL_DIGEST):
            continue
        raise ArtifactMismatch(
            f"{version.pinned_uri} is refused. Its tag {key!r} claims {claimed!r}; by its files it is {computed!r}.",
            _who(version),
        )
    if package.pickled != version.pickled:
        raise ArtifactMismatch(
            f"{version.pinned_uri} is refused. It has the pickled parts {list(package.pickled)} and no tag "
            f"{tags.PICKLED!r} that says so.",
            _who(version),
        )
    return package


def _who(version: ModelVersion) -> str:
    return f"Use another version, and find out who changed this one: `stagewright history {version.name}`."


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
