"""Photos that workers read themselves: a chunk is a run of them in the listing, and one task."""

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from ...spark import jvm, local_reading
from ...spark.paths import literal
from ..sources import images
from ..sources.local_files import Listing
from . import plan as plans_
from .parts import Inventory, Open
from .plan import NUMBER, Compared, Plan
from .reading import reader
from .stores import Folder, Store
from .writer import CHUNK, Batches


class Photos:
    """Of one listing. `by_path`: whether rows have the photos' paths as content, and not their bytes.

    `root`: the folder that all photos lie in; None where links may lead out of it.
    """

    def __init__(self, spark: SparkSession, listing: Listing, by_path: bool, root: str | None) -> None:
        self.inventory = Inventory(listing.photos, listing.left_out)
        self._spark = spark
        self._by_path = by_path
        self._root = root
        self.content_as = "path" if by_path else None
        self.roots: tuple[str, ...] = ()

    def settings(self) -> dict[str, str]:
        return {}

    def like(self) -> DataFrame:
        return self._spark.createDataFrame(self.inventory.rows.slice(0, 0))

    def some(self, rows: int) -> DataFrame:
        there = self.inventory.rows.num_rows
        chosen = np.linspace(0, max(0, there - 1), min(rows, there)).astype(np.int64)
        frame = self._spark.createDataFrame(self.inventory.rows.take(pa.array(chosen)))
        return frame if self._by_path else self._with_bytes(frame)

    def planned(self, number: int, new: pa.Table) -> tuple[Plan, pa.Table]:
        wanted = images.tasks(self._spark, new, self._by_path)
        _, opening = jvm.packing(self._spark)
        rows = plans_.numbered(new, wanted, opening)
        return Plan(number, rows.num_rows, rows[NUMBER][-1].as_py() + 1), rows

    def names(self, store: Store, plan: Plan) -> list[str]:
        return [_name(plan, chunk) for chunk in range(plan.chunks)]

    def frame(self, store: Store, plans: Sequence[Open], done: frozenset[str]) -> DataFrame:
        left = [
            (each.plan, chunk) for each in plans for chunk, name in enumerate(each.names) if name not in done
        ]
        tasks = [(plan.number, chunk, task) for task, (plan, chunk) in enumerate(left)]
        dealt = reduce(
            DataFrame.unionByName,
            (self._left(store, plan, tasks) for plan in dict.fromkeys(plan for plan, _ in left)),
        )
        # One task for each chunk, and Spark hands the next to whichever core is free.
        dealt = dealt.repartitionById(len(tasks), "task").drop("task", NUMBER)
        return dealt if self._by_path else self._with_bytes(dealt)

    def check(self, compared: Compared) -> None:
        """Photos may go and change: their rows say what they were when they were scored."""

    def rows(self, plans: Sequence[Plan]) -> int:
        return sum(plan.rows for plan in plans)

    def unpacking(self, keep: Sequence[str]) -> Callable[[Batches], Batches] | None:
        return None

    def _with_bytes(self, rows: DataFrame) -> DataFrame:
        return rows.withColumn("content", local_reading.contents()(rows["content"]))

    def _left(self, store: Store, plan: Plan, tasks: Sequence[tuple[int, int, int]]) -> DataFrame:
        mine = [(chunk, task) for number, chunk, task in tasks if number == plan.number]
        dealt = self._spark.createDataFrame(pd.DataFrame(mine, columns=[NUMBER, "task"], dtype="int32"))
        rows = self._inside(_read(self._spark, store, plan)).join(F.broadcast(dealt), NUMBER)
        return rows.withColumn(CHUNK, F.format_string(f"{plan.number:04d}-%06d", NUMBER))

    def _inside(self, rows: DataFrame) -> DataFrame:
        """Rows of a plan, which others may have written, lead to no file outside of what is searched."""
        if self._root is None:
            return rows
        content = F.col("content").cast("string")
        below = content.startswith(self._root) & ~F.concat(content, F.lit("/")).contains("/../")
        return rows.withColumn("content", F.when(below, F.col("content")))


def _name(plan: Plan, chunk: int) -> str:
    return f"{plan.number:04d}-{chunk:06d}"


def _read(spark: SparkSession, store: Store, plan: Plan) -> DataFrame:
    """By Spark's executors, from the output: a million rows need not lie in the driver's heap."""
    schema = from_arrow_schema(plans_.schema_of(store, plan))
    if isinstance(store, Folder):
        return spark.read.schema(schema).parquet(literal(f"file:{store.root}/{plan.rows_name}"))
    groups = spark.range(0, plan.chunks, 1, min(plan.chunks, spark.sparkContext.defaultParallelism))
    return groups.mapInArrow(reader(store, plan.rows_name), schema)
