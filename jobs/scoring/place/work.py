"""Score what is not done of an output: one Spark job, whose tasks make chunks visible one by one."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from ...errors import InputError
from ...meanwhile import every
from . import writer
from .completion import Output
from .watching import Watch
from .writer import Batches, ByName, Target, Told

# How often readers of a table are shown more: each time is a version of it.
_SHOW_S = 15.0


@dataclass(frozen=True, slots=True)
class Unscored:
    """`rows` with CHUNK, and what makes them rows of `schema`, still with CHUNK, on a worker: `answer`."""

    rows: DataFrame
    answer: Callable[[Batches], Batches]
    schema: StructType


def write(output: Output, unscored: Unscored, run_id: str, watch: Watch) -> Told:
    """Score what is left, chunk by chunk; gives what each said. Raises what Spark does."""
    spark = unscored.rows.sparkSession
    told = spark.sparkContext.accumulator({}, ByName())

    def tell(said: dict[str, Any]) -> None:
        told.add({said["name"]: said})

    footer = footer_of(unscored.schema)
    target = Target(output.store, output.named, {"run_id": run_id}, footer, output.quarantine)
    answer, write_chunks = unscored.answer, writer.writer(target, tell)
    with showing(output, told), watch.watching(spark, told):
        written = unscored.rows.mapInArrow(
            lambda rows: write_chunks(answer(rows)), "name string, said string"
        )
        rows = written.where("name IS NOT NULL").collect()
    return {row["name"]: json.loads(row["said"]) for row in rows}


def footer_of(schema: StructType) -> dict[bytes, bytes]:
    """What Spark looks for in a Parquet file to give its columns the very types that they had."""
    return {b"org.apache.spark.sql.parquet.row.metadata": schema.json().encode()}


def check_types(schema: StructType) -> None:
    """Raises InputError where a kept column is of a type that Parquet files cannot hold."""
    for column in schema.fields:
        try:
            schema = to_arrow_schema(StructType([column]), timezone="UTC")
            with pq.ParquetWriter(pa.BufferOutputStream(), schema):
                pass
        except (PySparkException, pa.ArrowException) as error:
            raise InputError(
                f"Column {column.name!r} of type {column.dataType.simpleString()} cannot be kept in Parquet files. "
                "Cast it first, or keep another with --keep."
            ) from error


def write_empty(output: Output, schema: StructType) -> None:
    """A file without rows, where there is none at all: readers learn the columns from it, if from nothing else."""
    if not output.commits and not output.store.names():
        name = output.named.format("empty")
        writer.empty(output.store, name, to_arrow_schema(schema, timezone="UTC"), footer_of(schema))


@contextmanager
def showing(output: Output, told: Any) -> Iterator[None]:
    """What the accumulator `told` has is shown every few seconds, and all that is there in the end."""
    if output.commits is None:
        yield
        return

    def show() -> None:
        with suppress(Exception):  # the last one tells
            output.show(dict(told.value))

    try:
        with every(_SHOW_S, show, "commits"):
            yield
    finally:
        output.show({})
