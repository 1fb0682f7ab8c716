"""Tar archives of photos, as WebDataset lays them out, in a folder or of a glob; `jobs.spark.archives` reads them."""

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from pyfunc_models import PHOTO_SUFFIXES

from ...errors import InputError
from ...spark import archives, jvm
from . import images
from .local_files import Listing
from .source import Reader, Rows, Source

FORMAT = "tar"
SUFFIXES = ("tar",)


def found(spark: SparkSession, source: Source) -> Listing:
    """The archives of a source. Raises InputError where there is none, or workers do not see them as files."""
    if jvm.scheme(spark, source.path) != "file":
        raise InputError(
            f"Archives are read by the workers, from where all of them see the same files, and {source.path!r} is "
            "elsewhere. Copy them to such a place."
        )
    listing = images.listed(spark, source, SUFFIXES)
    if not listing.files:
        raise images.nothing_found(source, listing, "archive", SUFFIXES)
    return listing


def schema() -> StructType:
    """The columns of what is in archives."""
    return from_arrow_schema(archives.SCHEMA)


def _rows(spark: SparkSession, source: Source) -> Rows:
    """An archive is a task."""
    listing = found(spark, source)
    numbered = listing.photos.append_column("task", pa.array(range(listing.files), pa.int32()))
    listed: DataFrame = spark.createDataFrame(numbered).repartitionById(listing.files, "task")
    read = archives.reader(PHOTO_SUFFIXES)
    return Rows(listed.select("path", "content").mapInArrow(read, schema()), left_out=listing.left_out)


READER = Reader((FORMAT,), rows=_rows, folder=images.folder_of)
