"""One loaded model per process, whatever the number of tasks, and never an unverified one."""

from collections import OrderedDict
from pathlib import Path
from threading import Lock

from ..engines import Engine, Precision, open_engine
from ..engines.device import Device
from . import big_files, manifest

# Spark keeps Python workers alive between jobs: a long session that scores many versions must not keep all of
# them in memory. Two serve a comparison of two versions at two precisions each without loading again.
MAX_LOADED = 4

# `spark_udf` loads the MLflow model once per task on local masters, so the loaded graph must outlive it here.
_LOADED: OrderedDict[tuple[str, Device, Precision], Engine] = OrderedDict()
# Directory -> the SHA-256 of the manifest that it was held against.
_VERIFIED: dict[Path, str] = {}
_LOCK = Lock()
_loads = 0


def verify_once(root: Path) -> str:
    """Hold the model directory against its manifest, the first time that this process sees it; the manifest's SHA-256.

    Its big files then are the node's, if the directory is not somebody's own: see big_files.
    Raises manifest.ManifestError with the name of the file that is not what was packaged.
    """
    with _LOCK:
        if root not in _VERIFIED:
            compared = big_files.place(root)
            real = root.resolve()
            if real not in _VERIFIED:
                _VERIFIED[real] = manifest.verify(root, compared, big_files.shipped(root))
                big_files.remember(root, _VERIFIED[real])
            _VERIFIED[root] = _VERIFIED[real]
        return _VERIFIED[root]


def engine(verified: str, graphs: Path, device: Device, precision: Precision) -> Engine:
    """The engine of this model on `device`: loaded at the first call, shared by all later ones.

    `verified` is what `verify_once` gave: not what a version says of itself, or it could answer in another's place.
    """
    global _loads
    key = (verified, device, precision)
    with _LOCK:
        if key not in _LOADED:
            _LOADED[key] = open_engine(graphs, device, precision)
            _loads += 1
            while len(_LOADED) > MAX_LOADED:
                _LOADED.popitem(last=False)
        _LOADED.move_to_end(key)
        return _LOADED[key]


def loads() -> int:
    """How many times this process has loaded a graph."""
    return _loads
