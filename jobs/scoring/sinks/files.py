"""Files of whatever format Spark writes, in a folder of their own."""

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from ...errors import InputError
from ...spark import jvm
from .sink import Sink, Writer


def _check(spark: SparkSession, sink: Sink) -> None:
    """Raises InputError where something is at the sink's path already: predictions are never overwritten."""
    if jvm.exists(spark, sink.path):
        raise InputError(f"There is something at {sink.path!r} already; name a folder that does not exist.")


def _write(frame: DataFrame, sink: Sink) -> None:
    """Raises InputError on a path that exists or a format that Spark lacks."""
    try:
        frame.write.format(sink.format).mode("errorifexists").save(sink.path)
    except AnalysisException as error:
        if error.getCondition() == "PATH_ALREADY_EXISTS":
            raise InputError(f"There is something at {sink.path!r} already; name a new folder.") from error
        if error.getCondition() in ("DATA_SOURCE_NOT_FOUND", "UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE"):
            raise InputError(f"Spark cannot write predictions as {sink.format!r}; try parquet.") from error
        raise


WRITER = Writer(None, _check, _write)
