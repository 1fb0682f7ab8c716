"""Tar archives that workers read themselves: a chunk is one archive, and one task."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from pyfunc_models import PHOTO_SUFFIXES

from ...errors import InputError
from ...spark import archive_entries, archives
from ...spark.archives import FAULT
from ..sources import tar
from ..sources.local_files import Listing
from .answering import CONTENT
from .photos import Photos
from .plan import NUMBER, Compared, Plan
from .writer import CHUNK, Batches

# What an entry of no bytes takes.
_SMALLEST = archive_entries.BLOCK


class Shards(Photos):
    """Of one listing of archives. `root`: as of Photos."""

    def __init__(self, spark: SparkSession, listing: Listing, root: str | None) -> None:
        super().__init__(spark, listing, by_path=True, root=root)
        self.content_as = None

    def like(self) -> DataFrame:
        return self._spark.createDataFrame([], tar.schema())

    def planned(self, number: int, new: pa.Table) -> tuple[Plan, pa.Table]:
        rows = new.append_column(NUMBER, pa.array(np.arange(new.num_rows, dtype=np.int32)))
        return Plan(number, new.num_rows, new.num_rows), rows

    def check(self, compared: Compared) -> None:
        if compared.gone or compared.changed:
            raise InputError(
                f"{compared.gone:,} archives of the input are gone and {compared.changed:,} are others since they were "
                "planned, so that its rows are not those that are scored. Name another output, or say --follow."
            )

    def rows(self, plans: Sequence[Plan]) -> int:
        """How many rows there can be at most; how many there are, only reading all of them tells."""
        lengths = self.inventory.rows["length"].to_pylist()
        return sum(length // _SMALLEST + 1 for length in lengths)

    def unpacking(self, keep: Sequence[str]) -> Callable[[Batches], Batches]:
        """A function from `frame`'s rows to those of the photos: the kept columns, CONTENT, FAULT and CHUNK."""
        return unpacking(tuple(keep))


def unpacking(keep: tuple[str, ...]) -> Callable[[Batches], Batches]:
    """As `Shards.unpacking`; travels by value."""
    suffixes, samples_of, batches_of = PHOTO_SUFFIXES, archives.rows, archives.batches
    chunk_column, names = CHUNK, [*keep, CONTENT, FAULT, CHUNK]

    def unpack(listed: Batches) -> Batches:
        for batch in listed:
            shards = (batch.column(name).to_pylist() for name in ("path", "content", chunk_column))
            for path, opened, chunk in zip(*shards, strict=True):
                for read in batches_of(samples_of(path, opened, suffixes)):
                    chunks = pa.repeat(pa.scalar(chunk, pa.string()), read.num_rows)
                    columns = [*(read.column(name) for name in (*keep, "content", FAULT)), chunks]
                    yield pa.RecordBatch.from_arrays(columns, names=names)

    return unpack
