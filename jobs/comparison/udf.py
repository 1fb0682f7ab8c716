"""Two versions as one UDF: how a comparison's two models get to the workers together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from pyfunc_models import Status
from pyfunc_models.pairs.packing import package_pair

from .. import scratch
from ..scoring import columns
from ..scoring.options import ScoreOptions
from ..spark import shipping, udfs

SIDES = ("a", "b")
FIELDS = ("label", "class_index", "score")
PARAMS = ("precision", "batch_size", "content_as", "max_pixels")
_ASKED = "_stagewright_asked"


def ask(images: DataFrame, models: Sequence[Path], options: ScoreOptions) -> DataFrame:
    """The kept columns, `a` and `b` {label, class_index, score, status, error}, and `agree`; lazy.

    `models`: the two versions' verified directories. `agree` is null where neither has an answer; where only one has,
    they do not agree.
    """
    spark = images.sparkSession
    given = {name: value for name, value in options.params.items() if name in PARAMS}
    timeout_s = options.photo_timeout_s
    key = (*models, timeout_s, *sorted(given.items()))
    predict = udfs.once(spark, key, lambda: _udf(spark, models, given, timeout_s))
    content = columns.the(images, options.content_column)
    asked = images.select(*columns.kept(images, options.keep), predict(content).alias(_ASKED))
    kept = map(columns.quoted, options.keep)
    return asked.select(*kept, *(_side(name).alias(name) for name in SIDES)).withColumn("agree", _agree())


def _udf(spark: SparkSession, models: Sequence[Path], params: Mapping[str, Any], timeout_s: float) -> Any:
    a, b = (shipping.ship(spark, model) for model in models)
    folder = scratch.new("pair-")  # a local master's tasks read it until this process ends
    return udfs.udf(spark, package_pair(a, b, folder / "pair"), params, timeout_s)


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
