"""Figures of a comparison, from the table that it wrote."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pyfunc_models import Status
from registry.gates.comparing import MCNEMAR_P, ONLY_CANDIDATE_RIGHT, ONLY_OTHER_RIGHT

from ..evaluation import metrics
from .report import Disagreement

SHOWN = 10
"""Disagreements in the report; the table has all."""

CLASS, RUN = "class_index", "comparison_run_id"


def totals(written: DataFrame) -> dict[str, Any]:
    """Counts and means of a comparison's table, in one pass."""
    a, b = F.col("a"), F.col("b")
    right = {
        name: F.coalesce(F.col(name)["class_index"] == F.col(CLASS), F.lit(False)) for name in ("a", "b")
    }
    counts: dict[str, Column] = {
        "photos": F.count(F.lit(1)),
        "decided": F.count("agree"),
        "agree": F.count_if("agree"),
        "confidence_a": F.avg(a["score"]),
        "confidence_b": F.avg(b["score"]),
        "confidence_shift": F.avg(b["score"] - a["score"]),
        "right_a": F.count_if(right["a"]),
        "right_b": F.count_if(right["b"]),
        ONLY_OTHER_RIGHT: F.count_if(right["a"] & ~right["b"]),
        ONLY_CANDIDATE_RIGHT: F.count_if(right["b"] & ~right["a"]),
    }
    for name in ("a", "b"):
        for status in Status:
            counts[f"{name}_{status.value}"] = F.count_if(F.col(name)["status"] == status.value)
    row = written.agg(*(column.alias(name) for name, column in counts.items())).first()
    assert row is not None  # an aggregate has one row
    return row.asDict()


def figures(totals: Mapping[str, Any], with_labels: bool) -> dict[str, float]:
    """What `ComparisonReport.metrics` says, from `totals`."""
    photos = totals["photos"]
    confidence = ("confidence_a", "confidence_b", "confidence_shift")
    figures = {
        "photos": float(photos),
        "agreement": totals["agree"] / totals["decided"],
        "disagreements": float(totals["decided"] - totals["agree"]),
        **{name: math.nan if totals[name] is None else float(totals[name]) for name in confidence},
    }
    if not with_labels:
        return figures
    better, worse = totals[ONLY_CANDIDATE_RIGHT], totals[ONLY_OTHER_RIGHT]
    return figures | {
        "top1": totals["right_b"] / photos,
        "top1_against": totals["right_a"] / photos,
        ONLY_CANDIDATE_RIGHT: float(better),
        ONLY_OTHER_RIGHT: float(worse),
        MCNEMAR_P: metrics.mcnemar_p(better, worse),
    }


def disagreements(written: DataFrame, key: Column, names: Sequence[str]) -> list[Disagreement]:
    """The first photos, by `key`, that the two answer differently; `names` are the classes' labels."""
    rows = (
        written.where("not agree")
        .orderBy(key)
        .limit(SHOWN)
        .select(key.alias("key"), "a", "b", CLASS)
        .collect()
    )
    return [
        Disagreement(
            key=row.key,
            a=row.a.label or row.a.status,
            a_score=row.a.score,
            b=row.b.label or row.b.status,
            b_score=row.b.score,
            label=None if row[CLASS] is None else names[row[CLASS]],
        )
        for row in rows
    ]
