"""Where an output lies: a folder of a file system, or a prefix of an object store."""

from pathlib import Path

from .bucket import Bucket
from .folder import Folder
from .store import PRIVATE, Store

_OBJECTS = ("s3://", "s3a://", "gs://", "az://", "abfs://", "abfss://")


def store_at(path: str) -> Store | None:
    """The store that a path or address names; None where only Spark can write there, as with hdfs:."""
    if path.startswith(_OBJECTS):
        return Bucket(path)
    scheme = path.partition(":")[0] if ":" in path.partition("/")[0] else "file"
    return Folder(local_path(path)) if scheme == "file" else None


def local_path(path: str) -> str:
    """`file:` addresses and relative paths as absolute ones."""
    if path.startswith("file:"):
        path = "/" + path[len("file:") :].lstrip("/")
    return str(Path(path).absolute())


__all__ = ["PRIVATE", "Bucket", "Folder", "Store", "local_path", "store_at"]
