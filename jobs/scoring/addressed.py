"""Rows that name their photos by addresses, in Spark's expressions: fetched in a worker, lazily."""

from importlib.util import find_spec
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import arrow_udf

from ..addresses.fault import NoPhoto
from ..addresses.fetching import FETCHED_SPARK, fetching
from ..addresses.places import HADOOP
from ..errors import InputError
from ..spark.archives import FAULT
from . import columns
from .options import ScoreOptions
from .sources import IMAGES, Source, tar

CONTENT = "_stagewright_content"
_FETCHED = "_stagewright_fetched"
_NO_FAULT = "struct<status: string, error: string>"


def fetched(rows: DataFrame, options: ScoreOptions) -> DataFrame:
    """The kept columns, CONTENT with the photos' bytes, and FAULT, whose `status` is null where there is none."""
    kept = columns.kept(rows, options.keep)
    names = [*map(columns.quoted, options.keep)]
    photo = columns.photo(rows, options)
    if not columns.are_fetched(rows, options):
        fault = F.col(FAULT) if FAULT in rows.columns else no_fault()
        return rows.select(*kept, photo.alias(CONTENT), fault)
    made: Any = arrow_udf(fetching(options.fetching), FETCHED_SPARK)  # type: ignore[call-overload]
    once = rows.select(*kept, made.asNondeterministic()(photo).alias(_FETCHED))
    content, fault = F.col(f"{_FETCHED}.content"), F.struct(f"{_FETCHED}.status", f"{_FETCHED}.error")
    return once.select(*names, content.alias(CONTENT), fault.alias(FAULT))


def no_fault() -> Column:
    """FAULT, where nothing had to be fetched."""
    return F.lit(None).cast(_NO_FAULT).alias(FAULT)


def check(options: ScoreOptions, source: Source) -> None:
    """Raises InputError where addresses are asked for of what has none, or roots that are none."""
    if options.path_column is not None and source.format in (IMAGES, tar.FORMAT):
        raise InputError(
            "--path-column names a column of a table: say what --input is by --input-format, such as parquet, csv, "
            "json or table."
        )
    if options.path_column is not None and options.content_column != "content":
        raise InputError("Photos come from --path-column or from --content-column; name one of them.")
    for root in options.path_roots:
        try:
            schemes = ScoreOptions(path_roots=(root,)).fetching.roots.schemes
        except NoPhoto as fault:
            raise InputError(
                f"--path-root {root!r} is not where photos can be: {fault}. Name a folder, or an address such as "
                "s3://bucket/folder or https://host."
            ) from None
        if schemes & {*HADOOP} and find_spec("hdfs_native") is None:
            raise InputError(
                f"--path-root {root!r} is in HDFS, which takes hdfs-native: pip install 'stagewright[hdfs]', on "
                "executors too."
            )
