"""Predictions out: files of a format that Spark writes."""

from dataclasses import dataclass

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from .errors import InputError


@dataclass(frozen=True, slots=True)
class Sink:
    """A folder that does not exist yet, and the format of the files in it."""

    path: str
    format: str = "parquet"


def check(spark: SparkSession, sink: Sink) -> None:
    """Raises InputError where something is at the sink's path already: predictions are never overwritten."""
    jvm = spark._jvm
    assert jvm is not None
    path = jvm.org.apache.hadoop.fs.Path(sink.path)
    if path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()).exists(path):
        raise InputError(f"There is something at {sink.path!r} already; name a folder that does not exist.")


def write(frame: DataFrame, sink: Sink) -> None:
    """Evaluate and write `frame`. Raises InputError on a path that exists or a format that Spark lacks."""
    try:
        frame.write.format(sink.format).mode("errorifexists").save(sink.path)
    except AnalysisException as error:
        if error.getCondition() == "PATH_ALREADY_EXISTS":
            raise InputError(f"There is something at {sink.path!r} already; name a new folder.") from error
        if error.getCondition() in ("DATA_SOURCE_NOT_FOUND", "UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE"):
            raise InputError(f"Spark cannot write predictions as {sink.format!r}; try parquet.") from error
        raise
