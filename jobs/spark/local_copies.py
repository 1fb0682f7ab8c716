"""A version's verified artifacts on the driver, fetched once for each process."""

from pathlib import Path

from registry import ModelVersion, Registry

from .. import scratch

# By what the version claims too: a tag that was changed since the last fetch is held against the files again.
_Key = tuple[str, str, int, str | None, str | None, tuple[str, ...]]
_copies: dict[_Key, Path] = {}


def local_copy(registry: Registry, version: ModelVersion) -> Path:
    """The verified artifacts, fetched once for each process and version.

    Kept until the process ends: a local master's tasks read them whenever the lazy DataFrame is evaluated.
    """
    claimed = (version.manifest_digest, version.model_digest, version.pickled)
    key = (str(registry.address), version.name, version.number, *claimed)
    if key not in _copies:
        _copies[key] = registry.fetch(version, scratch.new("model-"))
    return _copies[key]
