"""A model directory's big files: taken from the node's store wherever the directory is not somebody's own.

Three kinds of directory come here, and only the first two are changed:

- what MLflow extracted for this very process on a cluster. MLflow's own list of its extractions says so; nobody
  else reads them, and nobody ever removes them;
- what `jobs` sends on its way without its big files, which it ships once a node. A file beside the manifest
  says so, and only what is missing is filled in;
- any other: a path given to `mlflow.pyfunc.load_model`, the driver's copy that all tasks of a local master read.
"""

import json
import logging
import os
import shutil
import sys
import uuid
from contextlib import suppress
from pathlib import Path

from . import manifest
from .node_store import NodeStore, StoreUnavailable

# Below this, sharing saves less than its locks and links cost.
MIN_BYTES = 1024 * 1024

log = logging.getLogger(__name__)

# SHA-256 of the manifest -> where this process first had MLflow extract that model, and verified it.
_extractions: dict[str, Path] = {}


def place(root: Path) -> frozenset[str]:
    """Have the big files of `root` be the node's; the names of those that were compared with the manifest.

    Where the store cannot be used, each worker keeps its own copy, and its log says so once and why.
    """
    apart = shipped(root)
    if not _is_own_extraction(root):
        _fill_in(root, apart)
        return frozenset()
    if not (root / manifest.MANIFEST).is_file():
        return frozenset()  # verification says so
    if _is_repeated(root):
        for name, source in apart.items():
            _join(source, (root / name).resolve())
        return frozenset()
    try:
        return _place_from_store(root, apart)
    except (OSError, StoreUnavailable) as error:
        log.warning("This worker keeps its own copy of the model, because the node's store failed: %s", error)
        _fill_in(root, apart)
        return frozenset()


def _place_from_store(root: Path, shipped: dict[str, Path]) -> frozenset[str]:
    store = NodeStore.here()
    store.sweep()
    store.claim(root)
    compared = set()
    for name, digest in manifest.read(root).items():
        source = shipped.get(name, root / name)
        if source.is_file() and source.stat().st_size >= MIN_BYTES:
            stored = store.take(digest, source)
            if stored is not None:
                _replace(root / name, stored)
                compared.add(name)
                if name in shipped:
                    _join(source, stored)
    return frozenset(compared)


def shipped(root: Path) -> dict[str, Path]:
    """Files that were left out of `root` -> where they arrived on this node. Raises ManifestError on a name outside."""
    note = root / manifest.SHIPPED
    if not note.is_file():
        return {}
    said = json.loads(note.read_text())
    if outside := [name for name in said["files"] if not manifest.is_inside(name)]:
        raise manifest.ManifestError(
            f"{manifest.SHIPPED} names {outside[0]!r}, which is no file of the model."
        )
    # On a cluster Spark decides where they arrive. A worker has imported this long before it runs us.
    spark_files = sys.modules.get("pyspark.core.files") or sys.modules.get("pyspark.files")
    folder = said["folder"] or (spark_files.SparkFiles.getRootDirectory() if spark_files else "")
    return {name: Path(folder) / file for name, file in said["files"].items()}


def remember(root: Path, verified: str) -> None:
    """Have later extractions with this manifest become links to `root`, if that is an extraction too."""
    if _is_own_extraction(root):
        _extractions.setdefault(verified, root)


def _is_own_extraction(root: Path) -> bool:
    # MLflow names no such list publicly. Where it is gone, nothing is touched: more disk, no harm.
    distributor = getattr(sys.modules.get("mlflow.utils._spark_utils"), "_SparkDirectoryDistributor", None)
    extracted: dict[str, str] = getattr(distributor, "_extracted_dir_paths", {})
    return any(Path(path) == root for path in extracted.values())


def _is_repeated(root: Path) -> bool:
    """Whether this process has the same model already; `root` then becomes a link to that.

    MLflow extracts once for each UDF, and Spark keeps workers from job to job.
    """
    first = _extractions.get(manifest.sha256(root / manifest.MANIFEST), root)
    if first == root or not first.is_dir():
        return False
    shutil.rmtree(root)
    root.symlink_to(first)
    return True


def _fill_in(root: Path, apart: dict[str, Path]) -> None:
    for name, source in apart.items():
        if not (root / name).parent.resolve().is_relative_to(root.resolve()):
            raise manifest.ManifestError(f"{name!r} lies behind a link out of the model; fetch it again.")
        # Other tasks of a local master may do the same at the same time.
        with suppress(FileExistsError):
            (root / name).symlink_to(source)


def _replace(path: Path, stored: Path) -> None:
    link = path.with_name(f".{uuid.uuid4().hex}")
    link.symlink_to(stored)
    link.replace(path)


def _join(source: Path, stored: Path) -> None:
    """One inode for an executor's copy of a shipped file and the store's, where they are on one file system."""
    link = source.with_name(f".{uuid.uuid4().hex}")
    with suppress(OSError):
        if not source.samefile(stored):
            os.link(stored, link)
            link.replace(source)
