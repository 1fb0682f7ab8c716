"""A folder or glob of photos: searched here where workers see the same files, else by Spark."""

import math
import re
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from pyfunc_models import PHOTO_SUFFIXES

from ...errors import InputError
from ...spark import connect, jvm, local_reading, reach
from . import local_files, stored
from .left_out import in_words, other_than
from .local_files import Listing
from .source import IMAGES, Reader, Rows, Source

# Where photos are read by path, a task has this many times spark.sql.files.maxPartitionBytes of them. None of their
# bytes pass through Spark, and each task empties the pipeline and starts it anew: 25,000 photos with a network that
# costs nothing went 12 % faster in tasks of 3,100 than in tasks of 780.
_TASK_OF_PATHS = 4
_TASK_OF_BYTES = 1


def _rows(spark: SparkSession, source: Source) -> Rows:
    """Photos of a `file:` system are found here, for Spark follows every link and takes a FIFO for an empty photo.

    That is where Spark's executor and its Python worker see the same files, so that the worker can read them itself.
    """
    if connect.is_one(spark):
        return _served_rows(spark, source)
    if stored.is_stored(spark, source):
        raise InputError(
            f"Spark has no jars for {source.path!r}. `score` does without, into Parquet or Delta; for others copy the "
            "photos first, or give Spark the jars (--conf spark.jars.packages=...)."
        )
    if is_local(spark, source):
        return _local_rows(spark, source)
    frame = _binary_files(spark, source)
    if not jvm.listed(frame).files:
        raise nothing_found(source)
    empty = [(path, at, 0, b"") for path, at in jvm.empty_files(frame)]
    return Rows(frame.unionByName(spark.createDataFrame(empty, frame.schema)) if empty else frame)


def _binary_files(spark: SparkSession, source: Source) -> DataFrame:
    return (_below if jvm.is_folder(spark, source.path) else _named)(spark, source)


def _below(spark: SparkSession, source: Source) -> DataFrame:
    reader = spark.read.format("binaryFile").option("pathGlobFilter", _any_case_glob())
    return reader.option("recursiveFileLookup", "true").load(source.path)


def _named(spark: SparkSession, source: Source) -> DataFrame:
    return spark.read.format("binaryFile").load(source.path)


def _served_rows(spark: SparkSession, source: Source) -> Rows:
    """Of a Spark Connect server, which lists them: all that it finds, also where a scan leaves it out as empty.

    Links and FIFOs are what Spark takes them for.
    """
    is_folder = reach.of(spark).is_folder(source.path)
    listed = connect.listed_paths(
        connect.all_below(spark, source.path) if is_folder else _named(spark, source)
    )
    suffixes = tuple(f".{suffix}" for suffix in PHOTO_SUFFIXES) if is_folder else ("",)
    reasons = {path: other_than(suffixes, path) for path in listed}
    photos = {path for path, reason in reasons.items() if reason is None}
    if not photos:
        raise nothing_found(source)
    frame = (_below if is_folder else _named)(spark, source)
    scanned = {row[0] for row in frame.select("path").collect()}
    empty = [(path, None, 0, b"") for path in sorted(photos - scanned)]
    return Rows(
        frame.unionByName(spark.createDataFrame(empty, frame.schema)) if empty else frame,
        left_out=Counter(reason.value for reason in reasons.values() if reason),
    )


def _local_rows(spark: SparkSession, source: Source) -> Rows:
    """Rows of paths are dealt out to tasks of about as many photos each.

    Spark's own packing is by bytes alone, largest files first: the last task has the most photos, and all cores but one
    wait for it. Paths are cheap to send around.
    """
    listing = found(spark, source)
    listed = spark.createDataFrame(listing.photos)

    def dealt(task: int) -> DataFrame:
        return listed.repartition(_tasks(spark, listing, task))

    by_spark = dealt(_TASK_OF_BYTES)
    return Rows(
        by_spark.withColumn("content", local_reading.contents()(by_spark["content"])),
        by_path=dealt(_TASK_OF_PATHS),
        left_out=listing.left_out,
    )


def found(spark: SparkSession, source: Source) -> Listing:
    """The photos of a source of a `file:` system. Raises InputError where there is none."""
    listing = listed(spark, source, PHOTO_SUFFIXES)
    if not listing.files:
        raise nothing_found(source, listing)
    return listing


def is_local(spark: SparkSession, source: Source) -> bool:
    """Whether workers can read the photos themselves: Spark's executor and its Python worker see the same files."""
    return source.format == IMAGES and jvm.scheme(spark, source.path) == "file"


def tasks(spark: SparkSession, photos: pa.Table, by_path: bool) -> int:
    """How many tasks so many photos make, by paths or by bytes."""
    return _tasks(spark, Listing(photos, {}), _TASK_OF_PATHS if by_path else _TASK_OF_BYTES)


def inside(spark: SparkSession, source: Source) -> str | None:
    """What the path of each photo that is `found` begins with; None where links may lead anywhere."""
    is_folder = jvm.is_folder(spark, source.path)
    if source.follow_links or (jvm.exists(spark, source.path) and not is_folder):
        return None
    root = _local(jvm.qualified(spark, source.path))
    return (root if is_folder else local_files.folder_of(root)).rstrip("/") + "/"


def listed(spark: SparkSession, source: Source, suffixes: Sequence[str]) -> Listing:
    """The files of these suffixes in the folder of a source, or what its glob finds; on a `file:` system."""
    root = _local(jvm.qualified(spark, source.path))
    if jvm.is_folder(spark, source.path):
        return local_files.search(root, suffixes, source.follow_links)
    found = (_local(path) for path in jvm.listed_paths(_binary_files(spark, source)))
    named = jvm.exists(spark, source.path)  # whoever names a link itself means what it leads to
    return local_files.these(found, local_files.folder_of(root), source.follow_links or named)


def _local(path: str) -> str:
    """A path as Spark spells it, for this machine."""
    return re.sub("^file:/*", "/", path)


def nothing_found(
    source: Source,
    listing: Listing | None = None,
    what: str = "photo",
    suffixes: Sequence[str] = PHOTO_SUFFIXES,
) -> InputError:
    """What is said of a source in which there is no `what`."""
    left_out = in_words(listing.left_out) if listing else ""
    return InputError(
        f"There is no {what} in {source.path!r} (looked for {', '.join('.' + s for s in suffixes)}, in "
        f"folders below it too). Files with other names are read by a glob, such as '{what}s/*'."
        + (f" Left out: {left_out}." if left_out else "")
    )


def tasks_at_once(spark: SparkSession) -> int:
    """How many tasks run beside one another."""
    cpus = int(spark.sparkContext.getConf().get("spark.task.cpus", "1") or 1)
    return max(1, spark.sparkContext.defaultParallelism // cpus)


def _tasks(spark: SparkSession, listing: Listing, of_task: int) -> int:
    """How many tasks the listed files make, in whole rounds of those that run at once."""
    task, opening = jvm.packing(spark)
    at_once = tasks_at_once(spark)
    rounds = math.ceil((listing.size + listing.files * opening) / (task * of_task) / at_once)
    return max(1, min(listing.files, rounds * at_once))


def folder_of(spark: SparkSession, source: Source) -> str | None:
    """The folder of a source, as Spark writes it; None where it is none."""
    asked = reach.of(spark)
    return asked.qualified(source.path) if asked.is_folder(source.path) else None


def _any_case_glob() -> str:
    letters = (
        "".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in suffix) for suffix in PHOTO_SUFFIXES
    )
    return "*.{" + ",".join(letters) + "}"


READER = Reader((IMAGES,), rows=_rows, folder=folder_of)
