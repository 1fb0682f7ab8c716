"""Two versions as one UDF: how a comparison's two models get to the workers together."""

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow.pyfunc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pyfunc_models import Status
from pyfunc_models.pairing import package_pair

from . import shipping
from .scoring import ScoreOptions

SIDES = ("a", "b")
FIELDS = ("label", "class_index", "score")
_ASKED = "_stagewright_asked"


def ask(images: DataFrame, models: Sequence[Path], options: ScoreOptions) -> DataFrame:
    """The kept columns, `a` and `b` {label, class_index, score, status, error}, and `agree`; lazy.

    `models`: the two versions' verified directories. `agree` is null where neither has an answer; where only one has,
    they do not agree.
    """
    params = {"precision": options.precision, "batch_size": options.batch_size}
    given = {name: value for name, value in params.items() if value is not None}
    predict = _udf(images, models, given)
    asked = images.select(*options.keep, predict(F.col(options.content_column)).alias(_ASKED))
    sides = asked.select(*options.keep, *(_side(name).alias(name) for name in SIDES))
    return sides.withColumn("agree", _agree())


# As in scoring: each `spark_udf` takes seconds and is one more model for every worker to read and keep.
_udfs: dict[tuple[str, tuple[Path, ...], tuple[tuple[str, Any], ...]], Any] = {}


def _udf(images: DataFrame, models: Sequence[Path], params: dict[str, Any]) -> Any:
    context = shipping.context_of(images.sparkSession)
    if context is None:
        return _new_udf(images, models, params)
    key = (context.applicationId, tuple(models), tuple(sorted(params.items())))
    if key not in _udfs:
        _udfs[key] = _new_udf(images, models, params)
    return _udfs[key]


def _new_udf(images: DataFrame, models: Sequence[Path], params: dict[str, Any]) -> Any:
    spark = images.sparkSession
    a, b = (shipping.ship(spark, model) for model in models)
    folder = Path(tempfile.mkdtemp(prefix="stagewright-pair-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # a local master's tasks read it until then
    pair = package_pair(a, b, folder / "pair")
    with shipping.archives_removed_at_exit(spark):
        predict = mlflow.pyfunc.spark_udf(spark, str(pair), env_manager="local", params=params or None)
    return predict.asNondeterministic()  # see scoring: else it runs twice for each row


def _side(name: str) -> Column:
    """One side's answer, null where it has none: MLflow would turn None inside a struct into 'None'."""
    asked = F.col(_ASKED)
    ok = asked[f"{name}_status"] == Status.OK.value
    return F.struct(
        *(F.when(ok, asked[f"{name}_{field}"]).alias(field) for field in FIELDS),
        asked[f"{name}_status"].alias("status"),
        F.when(~ok, asked[f"{name}_error"]).alias("error"),
    )


def _agree() -> Column:
    a, b = (F.col(name)["class_index"] for name in SIDES)
    return F.when(a.isNotNull() & b.isNotNull(), a == b).when(a.isNotNull() | b.isNotNull(), F.lit(False))
