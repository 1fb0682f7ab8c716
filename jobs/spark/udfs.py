"""`mlflow.pyfunc.spark_udf`, once for all jobs alike, and what has to be said to Spark about it."""

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import mlflow.pyfunc
from pyspark.sql import SparkSession

from . import shipping

T = TypeVar("T")

_made: dict[tuple[Hashable, ...], Any] = {}


def once(spark: SparkSession, key: tuple[Hashable, ...], make: Callable[[], T]) -> T:
    """What `make` gave for this key in this application, or gives now.

    Each `spark_udf` takes seconds and is one more model for every worker to read and keep.
    """
    context = shipping.context_of(spark)
    if context is None:
        return make()
    whole = (context.applicationId, *key)
    if whole not in _made:
        _made[whole] = make()
    found: T = _made[whole]
    return found


def udf(spark: SparkSession, model: Path, params: Mapping[str, Any]) -> Any:
    """The UDF of a model directory, as `shipping` made it ready."""
    with shipping.archives_removed_at_exit(spark):
        predict = mlflow.pyfunc.spark_udf(spark, str(model), env_manager="local", params=dict(params) or None)
    # A deterministic UDF that a later filter mentions is run twice for each row: once to filter, once to answer.
    return predict.asNondeterministic()
