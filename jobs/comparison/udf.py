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
from ..spark.archives import FAULT

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
    faults = [FAULT] if FAULT in images.columns else []
    asked = images.select(*columns.kept(images, options.keep), *faults, predict(content).alias(_ASKED))
    kept = map(columns.quoted, options.keep)
    sides = (_side(name, F.col(FAULT) if faults else None).alias(name) for name in SIDES)
    return asked.select(*kept, *sides).withColumn("agree", _agree())


def _udf(spark: SparkSession, models: Sequence[Path], params: Mapping[str, Any], timeout_s: float) -> Any:
    a, b = (shipping.ship(spark, model) for model in models)
    folder = scratch.new("pair-")  # a local master's tasks read it until this process ends
    return udfs.udf(spark, package_pair(a, b, folder / "pair"), params, timeout_s)


def _side(name: str, fault: Column | None) -> Column:
    """One side's answer, null where it has none: MLflow would turn None inside a struct into 'None'.

    `fault`: why there was no photo to see.
    """
    asked = F.col(_ASKED)
    said = {field: asked[f"{name}_{field}"] for field in ("status", "error")}
    if fault is not None:
        said = {field: F.coalesce(fault[field], answer) for field, answer in said.items()}
    ok = asked[f"{name}_status"] == Status.OK.value
    return F.struct(
        *(F.when(ok, asked[f"{name}_{field}"]).alias(field) for field in FIELDS),
        said["status"].alias("status"),
        F.when(~ok, said["error"]).alias("error"),
    )


def _agree() -> Column:
    a, b = (F.col(name)["class_index"] for name in SIDES)
    return F.when(a.isNotNull() & b.isNotNull(), a == b).when(a.isNotNull() | b.isNotNull(), F.lit(False))
