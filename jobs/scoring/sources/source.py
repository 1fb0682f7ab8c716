"""What a source is, for whoever asks for rows, and for whoever reads them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession

IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Source:
    """Where photos come from.

    `format`: `images` (`path` is a folder, searched to its depth for the usual photo suffixes, or a glob or
    file, taken as it is), `table` (`path` is a table's name) or any format that Spark reads, such as parquet.
    With `tar` it is a folder, a glob or a file of archives, each of which holds many photos.
    With `binaryFile` it is Spark that reads photos, also those that workers could read themselves (`by_path`).
    `follow_links`: whether images are also what links below `path` lead to outside of it.
    """

    path: str
    format: str = IMAGES
    follow_links: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a source, lazy.

    `by_path`: the same with each file's path, in UTF-8, as `content`, where workers can read photos themselves; None
    where they cannot. `left_out`: how many files a search passed by, for which reason.
    """

    frame: DataFrame
    by_path: DataFrame | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reader:
    """How the sources of some formats become rows.

    `formats`: None is every format that Spark knows. `rows` raises InputError on what does not fit.
    `folder`: what the photos' column `path` begins with; None where there is no such thing.
    """

    formats: tuple[str, ...] | None
    rows: Callable[[SparkSession, Source], Rows]
    folder: Callable[[SparkSession, Source], str | None] = lambda spark, source: None
