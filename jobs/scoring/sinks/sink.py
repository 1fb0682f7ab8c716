"""What a sink is, for whoever asks for predictions, and for whoever writes them."""

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True, slots=True)
class Sink:
    """A folder that does not exist yet, and the format of the files in it; or a table that `path` names.

    `options` are the format's own, as Spark's writer takes them; `partition_by` names columns of the predictions.
    """

    path: str
    format: str = "parquet"
    options: tuple[tuple[str, str], ...] = ()
    partition_by: tuple[str, ...] = ()
    is_table: bool = False

    @property
    def is_sparks(self) -> bool:
        """Whether it asks for what only Spark's own writer does, in one go."""
        return bool(self.options or self.partition_by or self.is_table)


@dataclass(frozen=True, slots=True)
class Writer:
    """How predictions become what some formats keep.

    `formats`: None is every format that Spark knows. `check` raises InputError, before a photo is read, where nothing
    can be written; `write` evaluates the frame, and raises InputError on what does not fit.
    """

    formats: tuple[str, ...] | None
    check: Callable[[SparkSession, Sink], None]
    write: Callable[[DataFrame, Sink], None]
