"""A version's verified artifacts on the driver, fetched once for each process."""

import atexit
import shutil
import tempfile
from pathlib import Path

from registry import ModelVersion, Registry

_copies: dict[tuple[str, str, int, str | None], Path] = {}


def local_copy(registry: Registry, version: ModelVersion) -> Path:
    """The verified artifacts, fetched once for each process and version.

    Kept until the process ends: a local master's tasks read them whenever the lazy DataFrame is evaluated.
    """
    key = (str(registry.address), version.name, version.number, version.manifest_digest)
    if key not in _copies:
        folder = Path(tempfile.mkdtemp(prefix="stagewright-model-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _copies[key] = registry.fetch(version, folder)
    return _copies[key]
