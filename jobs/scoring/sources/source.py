"""What a source is, for whoever asks for rows, and for whoever reads them."""

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Source:
    """Where photos come from.

    `format`: `images` (`path` is a folder, searched to its depth for the usual photo suffixes, or a glob or
    file, taken as it is), `table` (`path` is a table's name) or any format that Spark reads, such as parquet.
    With `binaryFile` it is Spark that reads photos, also those that workers could read themselves (`by_path`).
    """

    path: str
    format: str = IMAGES


@dataclass(frozen=True, slots=True)
class Reader:
    """How the sources of some formats become rows.

    `formats`: None is every format that Spark knows. `frame`: lazy rows; raises InputError on what does not fit.
    `by_path`: the same rows with each file's path, in UTF-8, as `content`, where workers can read photos themselves;
    None where they cannot. `folder`: what the photos' column `path` begins with; None where there is no such thing.
    """

    formats: tuple[str, ...] | None
    frame: Callable[[SparkSession, Source], DataFrame]
    by_path: Callable[[DataFrame, Source], DataFrame | None] = lambda frame, source: None
    folder: Callable[[SparkSession, Source], str | None] = lambda spark, source: None
