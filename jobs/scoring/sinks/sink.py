"""What a sink is, for whoever asks for predictions, and for whoever writes them."""

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True, slots=True)
class Sink:
    """A folder that does not exist yet, and the format of the files in it."""

    path: str
    format: str = "parquet"


@dataclass(frozen=True, slots=True)
class Writer:
    """How predictions become what some formats keep.

    `formats`: None is every format that Spark knows. `check` raises InputError, before a photo is read, where nothing
    can be written; `write` evaluates the frame, and raises InputError on what does not fit.
    """

    formats: tuple[str, ...] | None
    check: Callable[[SparkSession, Sink], None]
    write: Callable[[DataFrame, Sink], None]
