"""Predictions out, one kind of sink a file: it says `WRITER`, and a line here names it."""

from importlib import import_module

from pyspark.sql import DataFrame, SparkSession

from .sink import Sink, Writer

FILES = (
    "files",  # the last, for it takes any format
)
WRITERS: tuple[Writer, ...] = tuple(import_module(f".{file}", __name__).WRITER for file in FILES)


def check(spark: SparkSession, sink: Sink) -> None:
    """Raises InputError where nothing can be written to the sink."""
    _writer(sink).check(spark, sink)


def write(frame: DataFrame, sink: Sink) -> None:
    """Evaluate and write `frame`. Raises InputError on what does not fit."""
    _writer(sink).write(frame, sink)


def _writer(sink: Sink) -> Writer:
    return next(writer for writer in WRITERS if writer.formats is None or sink.format in writer.formats)


__all__ = ["Sink", "check", "write"]
