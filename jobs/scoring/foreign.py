"""A version that stagewright did not package, made ready to be asked as packaged ones are."""

from dataclasses import replace
from pathlib import Path

from pyfunc_models.foreign.packing import package_foreign
from registry import ModelVersion, Registry
from registry.tags import MODEL_DIGEST

from .. import scratch
from ..errors import InputError
from .inputs import Signature
from .options import ScoreOptions
from .sources import IMAGES, Source

# Of ScoreOptions, what only a packaged version has, by the options' names.
_OF_PHOTOS = ("precision", "decode", "top_k", "max_pixels", "path_column", "max_bytes")

_ready: dict[tuple[str, str, int], tuple[ModelVersion, Path, Signature]] = {}


def ready(registry: Registry, version: ModelVersion) -> tuple[ModelVersion, Path, Signature]:
    """The version with the digest of what was fetched, a directory for workers, and its signature; once a process.

    Raises registry.RegistryError, and InputError on a version whose signature says too little.
    """
    key = (str(registry.address), version.name, version.number)
    if key not in _ready:
        found = registry.fetch_foreign(version, scratch.new("foreign-"))
        signature = Signature.of(found.directory, version.pinned_uri)
        into = scratch.new("host-") / "model"
        model = package_foreign(found.directory, signature.told, signature.outputs, into)
        # Whatever a tag says: what was counted is what workers load.
        counted = replace(version, tags={**version.tags, MODEL_DIGEST: found.digest})
        _ready[key] = (counted, model, signature)
    known, model, signature = _ready[key]
    return replace(version, tags={**version.tags, MODEL_DIGEST: known.model_digest or ""}), model, signature


def check(version: ModelVersion, options: ScoreOptions) -> None:
    """Raises InputError on options that only photos have a use for."""
    for name in _OF_PHOTOS:
        if getattr(options, name) is not None:
            raise InputError(
                f"{version.pinned_uri} was not packaged by stagewright and takes columns, for which --"
                f"{name.replace('_', '-')} means nothing; leave it out."
            )


def check_source(version: ModelVersion, source: Source) -> None:
    """Raises InputError where photos are named for what takes columns."""
    if source.format == IMAGES:
        raise InputError(
            f"{version.pinned_uri} was not packaged by stagewright and takes columns: name a table with "
            "--input-format, such as parquet or csv, and what to keep of it with --keep."
        )
