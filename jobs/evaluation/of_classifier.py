"""How often a classifier's best class is right."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F

from . import metrics, reported
from .labelled import TRUTH, Labels
from .measure import Found, Measure, Truth
from .metrics import NO_ANSWER
from .report import BY_CLASS, CONFUSION_MATRIX, CONFUSIONS, PHOTOS, RELIABILITY

TOP_K = 5


def _answers() -> list[Column]:
    answer = F.col("prediction")
    in_top = F.array_contains(answer["top"]["label"], F.col(TRUTH).cast("string"))
    return [
        F.col(TRUTH).alias("class_index"),
        F.coalesce(answer["label"].cast("int"), F.lit(NO_ANSWER)).alias("predicted_index"),
        answer["score"].alias("score"),
        F.coalesce(in_top, F.lit(False)).alias("in_top5"),
    ]


def _find(photos: pd.DataFrame, truth: Truth) -> Found:
    classes = metrics.by_class(photos, truth.names)
    worst = classes.loc[classes["accuracy"].idxmin(), "label"]
    return Found(metrics.figures(photos, classes), len(classes), str(worst))


def _keep(photos: pd.DataFrame, truth: Truth, folder: Path) -> None:
    from . import pictures  # matplotlib

    names = truth.names
    _with_labels(photos, names).to_csv(folder / PHOTOS, index=False)
    metrics.by_class(photos, names).to_csv(folder / BY_CLASS, index=False)
    metrics.confusions(photos, names).to_csv(folder / CONFUSIONS, index=False)
    pictures.draw_confusions(photos, names, folder / CONFUSION_MATRIX)
    pictures.draw_reliability(metrics.calibration_of(photos), folder / RELIABILITY)


def _with_labels(photos: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The photos as a person reads them: classes by index and label."""
    answered = photos["predicted_index"] != NO_ANSWER
    labels = [names[i] if i != NO_ANSWER else "" for i in photos["predicted_index"]]
    return pd.DataFrame(
        {
            "file": photos["file"],
            "class_index": photos["class_index"],
            "label": [names[i] for i in photos["class_index"]],
            "predicted_index": photos["predicted_index"].where(answered).astype("Int64"),
            "predicted_label": labels,
            "score": photos["score"],
            "correct": photos["predicted_index"] == photos["class_index"],
            "in_top5": photos["in_top5"],
            "status": photos["status"],
            "error": photos["error"],
        }
    )


MEASURE = Measure(
    read=Labels.read,
    # By position, because two classes may have one label.
    options={"top_k": TOP_K, "label_as": "index"},
    answers=_answers,
    find=_find,
    keep=_keep,
    page=reported.made,
)
