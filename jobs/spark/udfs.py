"""`mlflow.pyfunc.spark_udf`, once for all jobs alike, and what has to be said to Spark about it."""

import warnings
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import mlflow.pyfunc
from pyspark.sql import Column, SparkSession
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import StructType

from pyfunc_models.requirements import requirements_by_name

from .. import scratch
from . import reach, shipping, tally
from .arrivals import Answer, guarded
from .sent import Sent

T = TypeVar("T")


@dataclass(frozen=True)
class Udf:
    """MLflow's UDF of a model: `answer` is what it does on a worker, and `returned` what that gives, row by row."""

    answer: Answer
    returned: StructType

    def __call__(self, column: Column) -> Column:
        """The answers for a column, as a column."""
        with warnings.catch_warnings():
            # MLflow has just made a UDF too, and Spark's word on the version of pandas is heard once.
            warnings.simplefilter("ignore", FutureWarning)
            made: Any = pandas_udf(self.answer, self.returned)  # type: ignore[call-overload]
        # A deterministic UDF that a later filter mentions is run twice for each row: once to filter, once to answer.
        answers: Column = made.asNondeterministic()(column)
        return answers


_made: dict[tuple[Hashable, ...], Any] = {}


def once(spark: SparkSession, key: tuple[Hashable, ...], make: Callable[[], T]) -> T:
    """What `make` gave for this key in this application, or gives now.

    Each `spark_udf` takes seconds and is one more model for every worker to read and keep.
    """
    whole = (reach.of(spark).application(), *key)
    if whole not in _made:
        _made[whole] = make()
    found: T = _made[whole]
    return found


def udf(spark: SparkSession, model: Path, params: Mapping[str, Any], photo_timeout_s: float) -> Udf:
    """The UDF of a model directory, as `shipping` made it ready; workers load only what it holds now.

    What a photo does that takes `photo_timeout_s` to read, or crashes a worker: see `isolation`.
    """
    sent = Sent.of(model)
    with shipping.private_temporary_folder(), requirements_by_name():
        made = mlflow.pyfunc.spark_udf(spark, str(model), env_manager="local", params=dict(params) or None)
    context = shipping.context_of(spark)
    # Elsewhere workers do not see the same files.
    local = context is not None and str(context.master).startswith("local")
    tally_file = tally.file_in(scratch.folder()) if local else None
    unpacked = shipping.send_whole(spark, model, sent) if context is None else None
    answer = guarded(made.func, sent, unpacked, photo_timeout_s, tally_file)
    return Udf(answer, made.returnType)
