"""Images in: a folder or glob of photos, or any Spark table with a binary column."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from .errors import InputError

PHOTO_SUFFIXES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")
IMAGES = "images"
TABLE = "table"


@dataclass(frozen=True, slots=True)
class Source:
    """Where photos come from.

    `format`: `images` (`path` is a folder, searched to its depth for the usual photo suffixes, or a glob or
    file, taken as it is), `table` (`path` is a table's name) or any format that Spark reads, such as parquet.
    With `binaryFile` it is Spark that reads photos, also those that workers could read themselves (`by_path`).
    """

    path: str
    format: str = IMAGES


def read(spark: SparkSession, source: Source) -> DataFrame:
    """The rows of `source`; images have `path`, `modificationTime`, `length` and `content`.

    Raises InputError where there is nothing at the path, no such format, or no photo in the folder.
    """
    try:
        frame = _frame(spark, source)
        empty = frame.rdd.getNumPartitions() == 0
    except AnalysisException as error:
        raise InputError(_explain(source, error)) from error
    except Exception as error:  # a format that is not installed comes as a plain Java exception
        raise InputError(
            f"Spark cannot read {source.path!r} as {source.format!r}: {_first_line(error)}"
        ) from error
    if empty:
        raise InputError(
            f"There is no photo in {source.path!r} (looked for {', '.join('.' + s for s in PHOTO_SUFFIXES)}, in "
            "folders below it too). Files with other names are read by a glob, such as 'photos/*'."
        )
    return frame


def _frame(spark: SparkSession, source: Source) -> DataFrame:
    if source.format == TABLE:
        return spark.table(source.path)
    if source.format != IMAGES:
        return spark.read.format(source.format).load(source.path)
    reader = spark.read.format("binaryFile")
    if _is_folder(spark, source.path):
        reader = reader.option("pathGlobFilter", _any_case_glob()).option("recursiveFileLookup", "true")
    return _with_empty_files(spark, reader.load(source.path))


def _with_empty_files(spark: SparkSession, frame: DataFrame) -> DataFrame:
    """Rows for files of 0 bytes too, which Spark lists and then leaves out of every scan without a word."""
    index = _location(frame)
    listed = index.allFiles()
    if listed.size() == _files_scanned(spark, index):
        return frame
    statuses = (listed.apply(i) for i in range(listed.size()))
    empty = [
        (str(status.getPath()), datetime.fromtimestamp(status.getModificationTime() / 1000, UTC), 0, b"")
        for status in statuses
        if status.getLen() == 0
    ]
    return frame.unionByName(spark.createDataFrame(empty, frame.schema)) if empty else frame


def _location(frame: DataFrame) -> Any:
    """Spark's list of the files that `frame` reads: an InMemoryFileIndex."""
    return frame._jdf.queryExecution().optimizedPlan().collectLeaves().head().relation().location()


def _files_scanned(spark: SparkSession, index: Any) -> int:
    jvm = spark._jvm
    assert jvm is not None
    no_filters = getattr(getattr(jvm.scala.collection.immutable, "Nil$"), "MODULE$")
    folders = index.listFiles(no_filters, no_filters)
    return sum(folders.apply(i).files().size() for i in range(folders.size()))


# Where photos are read by path, a task has this many times spark.sql.files.maxPartitionBytes of them. None of their
# bytes pass through Spark, and each task empties the pipeline and starts it anew: 25,000 photos with a network that
# costs nothing went 12 % faster in tasks of 3,100 than in tasks of 780.
_TASK_OF_PATHS = 4


def by_path(images: DataFrame, source: Source) -> DataFrame | None:
    """The same rows with each file's path, in UTF-8, as `content`: Spark then lists the photos and reads none.

    They are dealt out to tasks of about as many photos each. Spark's own packing is by bytes alone, largest files
    first: the last task has the most photos, and all cores but one wait for it. Paths are cheap to send around; bytes,
    which other sources have, are not.

    None unless they are photos of a `file:` system: that is where Spark's executor and its Python worker see the
    same files, so that the worker can read them itself.
    """
    if source.format != IMAGES:
        return None
    files, _ = _hadoop(images.sparkSession, source.path)
    if str(files.getUri().getScheme()) != "file":
        return None
    at_once = _tasks_at_once(images.sparkSession)
    dealt = images.repartition(_tasks(images, at_once))
    return dealt.withColumn("content", F.encode(F.regexp_replace("path", "^file:/+", "/"), "UTF-8"))


def _tasks_at_once(spark: SparkSession) -> int:
    cpus = int(spark.sparkContext.getConf().get("spark.task.cpus", "1") or 1)
    return max(1, spark.sparkContext.defaultParallelism // cpus)


def _tasks(images: DataFrame, at_once: int) -> int:
    """How many tasks of paths the listed files make, in whole rounds of those that run at once."""
    listed = _location(images)
    photos = int(listed.allFiles().size())
    settings = images.sparkSession._jsparkSession.sessionState().conf()
    weight = int(listed.sizeInBytes()) + photos * int(settings.filesOpenCostInBytes())
    task = int(settings.filesMaxPartitionBytes()) * _TASK_OF_PATHS
    rounds = math.ceil(weight / task / at_once)
    return max(1, min(photos, rounds * at_once))


def folder(spark: SparkSession, source: Source) -> str | None:
    """The folder that the photos' column `path` begins with, as Spark writes it; None where there is none."""
    if source.format != IMAGES or not _is_folder(spark, source.path):
        return None
    files, path = _hadoop(spark, source.path)
    return str(files.makeQualified(path).toString()).rstrip("/")


def _is_folder(spark: SparkSession, path: str) -> bool:
    """Asks Hadoop's file system, so that it holds for s3a:// and hdfs:// paths too."""
    files, hadoop_path = _hadoop(spark, path)
    return bool(files.isDirectory(hadoop_path))


def _hadoop(spark: SparkSession, path: str) -> tuple[Any, Any]:
    jvm = spark._jvm
    assert jvm is not None
    hadoop_path = jvm.org.apache.hadoop.fs.Path(path)
    return hadoop_path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()), hadoop_path


def _any_case_glob() -> str:
    letters = ("".join(f"[{c}{c.upper()}]" for c in suffix) for suffix in PHOTO_SUFFIXES)
    return "*.{" + ",".join(letters) + "}"


def check_columns(frame: DataFrame, content: str, keep: Sequence[str], taken: Sequence[str]) -> None:
    """Raises InputError unless `content` is a binary column and every kept column exists and is free to keep."""
    types = dict(frame.dtypes)
    if content not in types:
        raise InputError(
            f"There is no column {content!r}; there are {sorted(types)}. Name it with --content-column."
        )
    if types[content] != "binary":
        raise InputError(
            f"Column {content!r} is of type {types[content]}, but photos must be binary. "
            f"Binary columns: {sorted(c for c, kind in types.items() if kind == 'binary') or 'none'}."
        )
    for column in keep:
        if column not in types:
            raise InputError(
                f"There is no column {column!r} to keep; there are {sorted(types)}. Choose keys with --keep."
            )
        if column in taken:
            raise InputError(
                f"Column {column!r} cannot be kept: predictions have a column of that name. Rename it first."
            )


def _explain(source: Source, error: AnalysisException) -> str:
    condition = error.getCondition() or ""
    if condition == "PATH_NOT_FOUND":
        return f"There is nothing at {source.path!r}; name a folder, a glob or a file that exists."
    if condition == "TABLE_OR_VIEW_NOT_FOUND":
        return f"Spark knows no table {source.path!r}."
    return f"Spark cannot read {source.path!r} as {source.format!r}: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
