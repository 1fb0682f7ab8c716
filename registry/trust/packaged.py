"""`stagewright.json`: what packaging says about a model directory."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from registry import tags
from registry.errors import ArtifactMismatch, InvalidPackage
from registry.trust import digests, layout, manifest
from registry.trust.schemas import MLMODEL, schema_of

DESCRIPTION = "stagewright.json"
FORMAT = 1
_NEEDED = (
    "architecture",
    "digests",
    "kind",
    "labels_count",
    "model_digest",
    "pickled",
    "precisions",
    "versions",
)
_SETTING = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_SETTINGS = 1 << 16
_HINT = "Make one with `pyfunc_models.package(…)`; `stagewright register` does it for you."


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A verified model directory and what is said about it.

    `model_digest`, `pickled` and `digests` are held against the files; `contents` is computed from them, of all
    that decides a prediction. The rest is what packaging says: figures, versions, the architecture's name.
    """

    directory: Path
    manifest_digest: str
    files: int
    contents: str
    model_digest: str
    architecture: str
    kind: str
    precisions: tuple[str, ...]
    transforms: tuple[str, ...]
    decodes: tuple[str, ...]
    pickled: tuple[str, ...]
    labels_count: int | None
    digests: Mapping[str, str]
    versions: Mapping[str, str]
    measured: Mapping[str, Mapping[str, float]]
    settings: Mapping[str, bool | float | str]
    schema: str | None

    @classmethod
    def read(cls, directory: Path) -> PackagedModel:
        """Verify a model directory against its own manifest, its layout and its digests; read its description.

        Raises InvalidPackage where it is no packaged model, an older or newer format, or damaged.
        """
        for name in (manifest.MANIFEST, DESCRIPTION):
            if not (directory / name).is_file():
                raise InvalidPackage(f"{str(directory)!r} is not a packaged model: no {name}.", _HINT)
        try:
            return cls.verified(directory, manifest.digest_of(directory / manifest.MANIFEST))
        except ArtifactMismatch as fault:
            raise InvalidPackage(
                f"{str(directory)!r} is not as it was packaged. {fault.message}", fault.hint or _HINT
            ) from None

    @classmethod
    def verified(cls, directory: Path, manifest_digest: str) -> PackagedModel:
        """As `read`, of a directory whose manifest has this digest.

        Every file is hashed once, for the manifest; the digest of the model is computed from that.
        Raises ArtifactMismatch where a file is another one, is none that packaging writes, or is not what the
        description says it is; InvalidPackage where the description cannot be read.
        """
        listed = manifest.verify(directory, manifest_digest)
        if DESCRIPTION not in listed:
            raise ArtifactMismatch(f"The model's file {DESCRIPTION!r} is missing.")
        said = _load(directory / DESCRIPTION)
        layout.check(directory, listed, said["kind"])
        _check_pickled(said["pickled"], listed)
        try:
            return cls(
                directory=directory,
                manifest_digest=manifest_digest,
                files=len(listed),
                contents=digests.contents(directory, listed, said),
                model_digest=digests.model_digest(directory, listed, said),
                architecture=said["architecture"],
                kind=said["kind"],
                precisions=tuple(said["precisions"]),
                transforms=tuple(said.get("transforms") or ()),
                decodes=tuple(said.get("decodes") or ()),
                pickled=tuple(said["pickled"]),
                labels_count=said["labels_count"],
                digests=said["digests"],
                versions=said["versions"],
                measured=said.get("measured") or {},
                settings=_settings(directory, listed),
                schema=_schema(directory),
            )
        except (AttributeError, TypeError) as fault:
            raise InvalidPackage(f"{DESCRIPTION} cannot be understood: {fault}.", _HINT) from None

    def at(self, directory: Path) -> PackagedModel:
        """The same, once its directory was given another name."""
        return replace(self, directory=directory)

    def as_tags(self) -> dict[str, str]:
        """Everything that is known about the model, as the tags of its version."""
        said = {
            tags.PACKAGE_FORMAT: str(FORMAT),
            tags.MODEL_DIGEST: self.model_digest,
            tags.MANIFEST_DIGEST: self.manifest_digest,
            tags.KIND: self.kind,
            tags.ARCHITECTURE: self.architecture,
            tags.PRECISIONS: tags.join(self.precisions),
            tags.TRANSFORMS: tags.join(self.transforms),
            tags.DECODES: tags.join(self.decodes),
            tags.PICKLED: tags.join(self.pickled),
        }
        if self.labels_count is not None:
            said[tags.LABELS_COUNT] = str(self.labels_count)
        if self.schema is not None:
            said[tags.SCHEMA] = self.schema
        said |= {tags.digest_of(part): digest for part, digest in self.digests.items()}
        said |= {tags.setting(name): _written(value) for name, value in self.settings.items()}
        said |= {tags.version_of(library): version for library, version in self.versions.items()}
        for choice, figures in self.measured.items():
            said |= {tags.measured(choice, metric): str(value) for metric, value in figures.items()}
        return said


def _check_pickled(said: object, listed: Mapping[str, str]) -> None:
    """That parts are said to travel as a pickle where there is a pickle, and only there."""
    if not isinstance(said, list) or bool(said) != (digests.CALLABLES in listed):
        raise ArtifactMismatch(
            f"The model's file {DESCRIPTION!r} names the pickled parts {said!r}, and its file {digests.CALLABLES!r} "
            f"is {'there' if digests.CALLABLES in listed else 'not there'}."
        )


def _settings(directory: Path, listed: Mapping[str, str]) -> dict[str, bool | float | str]:
    """What the kind was told: names and plain values. Raises ArtifactMismatch on anything else."""
    if digests.SETTINGS not in listed:
        return {}
    file = directory / digests.SETTINGS
    try:
        said = json.loads(file.read_text(encoding="utf-8")) if file.stat().st_size <= _MAX_SETTINGS else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not all(map(_is_setting, said, said.values())):
        raise ArtifactMismatch(f"The model's file {digests.SETTINGS!r} is not what packaging writes.")
    return said


def _is_setting(name: str, value: object) -> bool:
    return _SETTING.fullmatch(name) is not None and isinstance(value, bool | int | float | str)


def _written(value: bool | float | str) -> str:
    """As a tag has it."""
    return value if isinstance(value, str) else json.dumps(value)


def _schema(directory: Path) -> str | None:
    try:
        return schema_of(directory)
    except (ValueError, yaml.YAMLError) as fault:
        raise InvalidPackage(f"The signature in {MLMODEL} cannot be read: {fault}.", _HINT) from None


def _load(path: Path) -> Mapping[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as fault:
        raise InvalidPackage(f"{path.name} is not JSON: {fault}.", _HINT) from None
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        found = said.get("format") if isinstance(said, dict) else said
        raise InvalidPackage(
            f"{path.name} has format {found!r}; this stagewright reads {FORMAT}.",
            "Package the model again with this stagewright.",
        )
    for key in _NEEDED:
        if key not in said:
            raise InvalidPackage(f"{DESCRIPTION} says nothing about {key!r}.", _HINT)
    return said
