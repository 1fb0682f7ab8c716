"""Versions that stagewright did not package: scikit-learn's, ONNX, Keras, any pyfunc.

They have no `SHA256SUMS`, and MLflow loads them by unpickling, or by whatever code they name: nothing of what holds for
packaged versions can be computed. So whoever runs a job says that they may come in, by the job or by this machine's
policy; what was fetched is counted into a digest once, and workers load those very bytes.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import ArtifactMismatch, ForeignVersion, InvalidPackage, PolicyRefused
from registry.trust import manifest, policy
from registry.versions import ModelVersion

if TYPE_CHECKING:
    from registry.client import Client

# MLflow adds this file to what it downloads.
_WRITTEN_BY_MLFLOW = "registered_model_meta"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A version's directory as it was fetched; `digest` is the SHA-256 of a list of its files, as in `SHA256SUMS`."""

    directory: Path
    digest: str


def is_foreign(version: ModelVersion) -> bool:
    """Whether there is nothing to verify a version against."""
    return version.manifest_digest is None


def check(client: Client, version: ModelVersion, allowed: bool) -> None:
    """Whether a foreign version may be used: `allowed` by the job, or by this machine's policy; others pass.

    Raises PolicyRefused where a policy refuses such versions, or the pickles that they may be, ForeignVersion where
    nobody allowed it.
    """
    if not is_foreign(version):
        return
    here = policy.local()
    for each in (here, policy.registered(version.name, client.model(version.name).tags)):
        if each is not None and (each.refuse_foreign or each.refuse_pickled):
            what = "what stagewright did not package" if each.refuse_foreign else "pickles, which it may be"
            raise PolicyRefused(
                f"{version.pinned_uri} was not packaged by stagewright, and {each.declared} refuses {what}.",
                "Package the model with `stagewright register`, or see who set the policy.",
            )
    if not allowed and not (here is not None and here.allow_foreign):
        raise ForeignVersion(
            f"{version.pinned_uri} was not packaged by stagewright: it has no manifest to verify it against, and to "
            "load it runs whatever code and pickles are in it.",
            'If you trust whoever may write to the registry, say --allow-foreign, or `allow = ["foreign"]` in this '
            "machine's policy.toml.",
        )


def fetch(client: Client, version: ModelVersion, into: Path) -> Foreign:
    """Download a foreign version into a folder of its own below `into`, and count it.

    Raises ArtifactMismatch where it holds links, InvalidPackage where it is no MLflow model.
    """
    into.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"v{version.number}-", dir=into)) / "model"
    directory.mkdir()
    client.download(version, directory)
    (directory / _WRITTEN_BY_MLFLOW).unlink(missing_ok=True)
    if not (directory / "MLmodel").is_file():
        raise InvalidPackage(
            f"{version.pinned_uri} is no MLflow model: it has no file MLmodel.", "Log it again."
        )
    return Foreign(directory, _digest(directory, version))


def _digest(directory: Path, version: ModelVersion) -> str:
    total = hashlib.sha256()
    for file in sorted(_files(directory, version)):
        total.update(f"{manifest.digest_of(file)}  {file.relative_to(directory).as_posix()}\n".encode())
    return total.hexdigest()


def _files(directory: Path, version: ModelVersion) -> list[Path]:
    found = []
    for here, folders, names in os.walk(directory):
        for path in (Path(here, name) for name in (*folders, *names)):
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise ArtifactMismatch(
                    f"{version.pinned_uri} is refused. It has {path.relative_to(directory).as_posix()!r}, which is "
                    "neither a file nor a folder.",
                    "Log the model again.",
                )
        found += [Path(here, name) for name in names]
    return found
