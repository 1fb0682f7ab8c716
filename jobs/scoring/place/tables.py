"""Files of a table, or of any format that Spark reads by files: a chunk is one split of one file.

Spark says of each row which file it is from and where in it its split begins. Splits begin where they did before as
long as they are cut to one size, which is that of the output's first plan. Where rows are addresses, a file of a few
megabytes names as many photos as a day can score: then the rows of a split are dealt out to several chunks.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ...errors import InputError
from ...spark import jvm
from ...spark.paths import as_address
from ..sources import images
from . import plan as plans_
from .parts import Inventory, Open
from .plan import KEY, Compared, Plan
from .stores import Store
from .writer import CHUNK, Batches

# Of addresses: some 500 MB of photos, as chunks of files have.
_CHUNK_ROWS = 4096

_SCHEMA = pa.schema(
    [(KEY, pa.string()), ("modificationTime", pa.timestamp("us", tz="UTC")), ("length", pa.int64())]
)


class Tables:
    """Of a DataFrame that `jvm.has_files`; `plans` are those that there are. `addresses`: their column, if any."""

    def __init__(self, frame: DataFrame, plans: Sequence[Plan], addresses: Column | None = None) -> None:
        self.content_as: str | None = None
        self.roots: tuple[str, ...] = ()
        self._all = frame
        self._spark = frame.sparkSession
        files = jvm.input_files(frame)
        columns = [[getattr(file, name) for file in files] for name in ("path", "modified_at", "size")]
        self.inventory = Inventory(pa.table(columns, schema=_SCHEMA))
        self.split = plans[0].split if plans else self._split()
        self._addresses = addresses
        self._buckets = plans[0].buckets if plans else self._new_buckets()

    def lie_in(self, folder: Path) -> bool:
        """Whether some of the files are below a folder."""
        inside = as_address(f"file:{folder}") + "/"
        return any(path.startswith(inside) for path in self.inventory.rows[KEY].to_pylist())

    def like(self) -> DataFrame:
        return self._all

    def some(self, rows: int) -> DataFrame:
        return self._all.limit(rows)

    def planned(self, number: int, new: pa.Table) -> tuple[Plan, pa.Table]:
        splits = self._splits(new["length"].to_pylist())
        return Plan(number, new.num_rows, splits * self._buckets, self.split, self._buckets), new

    def names(self, store: Store, plan: Plan) -> list[str]:
        return [name for path, size in _files(store, plan) for name in self._names(path, size)]

    def frame(self, store: Store, plans: Sequence[Open], done: frozenset[str]) -> DataFrame:
        sizes = dict(zip(*(self.inventory.rows[name].to_pylist() for name in (KEY, "length")), strict=True))
        names = {path: self._names(path, size) for path, size in sizes.items()}
        open_ = {path for each in plans for path, _ in _files(store, each.plan)}
        half = {path for path in open_ & sizes.keys() if not done.issuperset(names[path])}
        # By what is done, never by what is to do: an address that is spelt in an unforeseen way loses no row.
        past = sorted(sizes.keys() - half)
        past_chunks = sorted(done.difference(*(names[path] for path in past)))
        frame = self._all.withColumn(CHUNK, self._chunk())
        frame = frame.where(~F.col("_metadata.file_path").isin(past)) if past else frame
        frame = frame.where(~F.col(CHUNK).isin(past_chunks)) if past_chunks else frame
        if self._buckets > 1:
            return self._dealt(
                frame, [name for path in sorted(half) for name in names[path] if name not in done]
            )
        return frame.coalesce(self._tasks([sizes[path] for path in half]))

    def check(self, compared: Compared) -> None:
        if compared.gone or compared.changed:
            raise InputError(
                f"{compared.gone:,} files of the input are gone and {compared.changed:,} are others since they were "
                "planned, so that its rows are not those that are scored. Name another output, or say --follow."
            )

    def rows(self, plans: Sequence[Plan]) -> int:
        return int(self._all.count())

    def unpacking(self, keep: Sequence[str]) -> Callable[[Batches], Batches] | None:
        return None

    def settings(self) -> dict[str, str]:
        """Settings of Spark with which splits are of the size of the plans, each a partition of its own."""
        names = ("spark.sql.files.maxPartitionBytes", "spark.sql.files.openCostInBytes")
        return dict.fromkeys(names, str(self.split))

    def _split(self) -> int:
        """As Spark would: no more than its limit, and no fewer splits than cores."""
        most, opening = jvm.packing(self._spark)
        cost = sum(size + opening for size in self.inventory.rows["length"].to_pylist())
        each = int(cost // self._spark.sparkContext.defaultParallelism)
        return max(1, min(most, max(opening, each)))

    def _splits(self, sizes: Sequence[int]) -> int:
        return sum(len(_starts(size, self.split)) for size in sizes)

    def _new_buckets(self) -> int:
        """Chunks of some _CHUNK_ROWS, and in whole rounds of the tasks that run at once."""
        if self._addresses is None:
            return 1
        splits = max(1, self._splits(self.inventory.rows["length"].to_pylist()))
        at_once = images.tasks_at_once(self._spark)
        rounds = max(1, math.ceil(self._all.count() / _CHUNK_ROWS / at_once))
        return math.ceil(rounds * at_once / splits)

    def _dealt(self, frame: DataFrame, chunks: Sequence[str]) -> DataFrame:
        """One task for each chunk. A row of a chunk that nobody foresaw goes with one of them, and none is lost."""
        dealt = self._spark.createDataFrame(list(enumerate(chunks)), f"task int, {CHUNK} string")
        rows = frame.join(F.broadcast(dealt), CHUNK, "left")
        task = F.coalesce("task", F.pmod(F.xxhash64(CHUNK), F.lit(len(chunks))).cast("int"))
        rows = rows.withColumn("task", task).repartitionById(len(chunks), "task").drop("task")
        return rows.sortWithinPartitions(CHUNK)

    def _chunk(self) -> Column:
        """The chunk's name, in Spark; `_names` has the same in Python."""
        place = [F.col("_metadata.file_path"), F.col("_metadata.file_block_start").cast("string")]
        if self._addresses is not None and self._buckets > 1:
            place.append(F.pmod(F.xxhash64(self._addresses), F.lit(self._buckets)).cast("string"))
        return F.substring(F.sha2(F.concat_ws("\n", *place), 256), 1, 24)

    def _names(self, path: str, size: int) -> list[str]:
        buckets = [f"\n{bucket}" for bucket in range(self._buckets)] if self._buckets > 1 else [""]
        places = (f"{path}\n{start}{bucket}" for start in _starts(size, self.split) for bucket in buckets)
        return [hashlib.sha256(place.encode()).hexdigest()[:24] for place in places]

    def _tasks(self, sizes: Sequence[int]) -> int:
        """Fewer than there are splits where many files are small."""
        _, opening = jvm.packing(self._spark)
        at_once = images.tasks_at_once(self._spark)
        cost = sum(size + min(opening, self.split) for size in sizes)
        return int(max(1, math.ceil(cost / self.split / at_once)) * at_once)


def _starts(size: int, split: int) -> range:
    return range(0, size, split)


def _files(store: Store, plan: Plan) -> Iterator[tuple[str, int]]:
    rows = plans_.rows_of(store, plan)
    yield from zip(rows[KEY].to_pylist(), rows["length"].to_pylist(), strict=True)
