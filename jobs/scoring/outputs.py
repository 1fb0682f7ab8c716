"""Where a job's output lies, and where what has no prediction is put aside; what cannot be used is said."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from ..errors import InputError, JobFailed, first_line
from ..spark import connect, jvm
from .job import ScoreJob
from .object_stores import reached
from .place import delta
from .place.stores import Bucket, Folder, Store, local_path, store_at


def store_of(job: ScoreJob) -> Store | None:
    """Where a job's output lies; None where Spark alone can write it. Raises InputError where nothing can."""
    known = job.sink.format == "parquet" or (job.sink.format == delta.FORMAT and delta.is_installed())
    store = store_at(job.sink.path) if known and not _is_sparks(job) else None
    if isinstance(store, Bucket):
        _try(store)
    return store


def _is_sparks(job: ScoreJob) -> bool:
    """Whether only Spark's own writer can write it: what a Spark Connect server sees may be elsewhere."""
    return job.sink.is_sparks or connect.is_meant()


def _try(store: Bucket) -> None:
    with reached(store.root, lambda error: f"cannot be used: {first_line(error)}"):
        store.is_free()


def path_of(job: ScoreJob) -> str:
    """Of an output in a file system, absolute."""
    return local_path(job.sink.path)


def quarantine_of(job: ScoreJob) -> Store | None:
    """Raises InputError where nothing can be put there."""
    if job.quarantine is None:
        return None
    found = store_at(job.quarantine)
    if found is None:
        raise InputError(f"--quarantine takes a folder or an object store, and not {job.quarantine!r}.")
    if isinstance(found, Bucket):
        _try(found)
    return found


def is_ours(spark: SparkSession, job: ScoreJob, store: Store) -> bool:
    """Whether Spark means the same place by the path: a cluster's default file system may be another."""
    return not isinstance(store, Folder) or jvm.scheme(spark, job.sink.path) == "file"


@contextmanager
def writable(store: Store) -> Iterator[None]:
    """Raises JobFailed where the file system that an output lies in refuses something."""
    try:
        yield
    except OSError as error:
        if not isinstance(store, Folder) or not str(error.filename or "").startswith(store.root):
            raise
        raise JobFailed(
            f"The output cannot be written: {error.strerror or error}: {error.filename!r}. What is there stays; run "
            "the same command again once it can be written, or name another output."
        ) from error
