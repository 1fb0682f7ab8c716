"""Files of whatever format Spark writes, in a folder of their own or as a table."""

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import ArrayType, MapType, StructType

from ...errors import InputError, first_line
from ...spark import reach
from .sink import Sink, Writer

_FOREIGN = ("DATA_SOURCE_NOT_FOUND", "UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE")
_THERE = ("PATH_ALREADY_EXISTS", "TABLE_OR_VIEW_ALREADY_EXISTS")


def _check(spark: SparkSession, sink: Sink) -> None:
    """Raises InputError where something is there already: predictions are never overwritten."""
    if sink.is_table:
        if _table_is_there(spark, sink.path):
            raise InputError(f"There is a table {sink.path!r} already; name one that does not exist.")
    elif reach.of(spark).exists(sink.path):
        raise InputError(f"There is something at {sink.path!r} already; name a folder that does not exist.")


def _table_is_there(spark: SparkSession, name: str) -> bool:
    try:
        return spark.catalog.tableExists(name)
    except ParseException as error:
        raise InputError(
            f"{name!r} cannot name a table: CATALOG.SCHEMA.TABLE, SCHEMA.TABLE or TABLE."
        ) from error


def _write(frame: DataFrame, sink: Sink) -> None:
    """Raises InputError on what is there, on a format that Spark lacks and on columns that part nothing."""
    _check_partitions(frame, sink.partition_by)
    writer = frame.write.format(sink.format).options(**dict(sink.options)).mode("error")
    writer = writer.partitionBy(*sink.partition_by) if sink.partition_by else writer
    try:
        if sink.is_table:
            writer.saveAsTable(sink.path)
        else:
            writer.save(sink.path)
    except AnalysisException as error:
        raise _explained(error, sink) from error
    except (Py4JJavaError, PySparkException) as error:  # a format's missing class has no error of its own
        if _FOREIGN[0] not in str(error):
            raise
        raise _foreign(sink) from error


def _check_partitions(frame: DataFrame, names: tuple[str, ...]) -> None:
    nested = (ArrayType, MapType, StructType)
    able = [field.name for field in frame.schema if not isinstance(field.dataType, nested)]
    for name in names:
        if name not in able:
            raise InputError(f"--partition-by takes one of {', '.join(able)}, and not {name!r}.")
    if len(set(names)) != len(names):
        raise InputError(f"--partition-by names a column twice: {', '.join(names)}.")


def _explained(error: AnalysisException, sink: Sink) -> Exception:
    condition = error.getCondition() or ""
    if condition in _THERE:
        return InputError(f"There is something at {sink.path!r} already; name what does not exist.")
    if condition in _FOREIGN:
        return _foreign(sink)
    if sink.is_table and condition in ("SCHEMA_NOT_FOUND", "NO_SUCH_CATALOG_EXCEPTION", "CATALOG_NOT_FOUND"):
        return InputError(f"There is no place for a table {sink.path!r}: {first_line(error)}")
    return error


def _foreign(sink: Sink) -> InputError:
    return InputError(f"Spark cannot write predictions as {sink.format!r}; try parquet.")


WRITER = Writer(None, _check, _write)
