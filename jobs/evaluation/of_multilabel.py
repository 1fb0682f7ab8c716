"""How good the labels of a multilabel are, and its threshold."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F

from . import label_sets
from .label_sets import LabelSets
from .labelled import TRUTH, Labels
from .measure import Found, Measure, Truth
from .metrics import rates
from .report import BY_CLASS, PHOTOS

THRESHOLD = "threshold"


def _answers() -> list[Column]:
    answer = F.col("prediction")
    return [
        F.col(TRUTH).alias("truth"),
        answer["labels"].alias("positions"),
        answer["scores"].alias("scores"),
    ]


def _sets(photos: pd.DataFrame, truth: Truth) -> LabelSets:
    return LabelSets.of(photos, len(truth.names), float(truth.settings[THRESHOLD]))


def _find(photos: pd.DataFrame, truth: Truth) -> Found:
    sets = _sets(photos, truth)
    table = label_sets.by_label(sets, truth.names)
    threshold = {THRESHOLD: float(truth.settings[THRESHOLD])}
    figures = {**label_sets.figures(sets, table), **threshold, **rates(photos)}
    return Found(figures, len(table), str(table.loc[table["f1"].idxmin(), "label"]))


def _keep(photos: pd.DataFrame, truth: Truth, folder: Path) -> None:
    sets, names = _sets(photos, truth), truth.names
    label_sets.by_label(sets, names).to_csv(folder / BY_CLASS, index=False)
    shown = {
        "file": photos["file"],
        "labels": [_named(row, names) for row in sets.truth],
        "predicted_labels": [_named(row, names) for row in sets.chosen],
        "correct": (sets.truth == sets.chosen).all(axis=1),
        "status": photos["status"],
        "error": photos["error"],
    }
    pd.DataFrame(shown).to_csv(folder / PHOTOS, index=False)


def _named(chosen: Sequence[bool], names: Sequence[str]) -> str:
    return "; ".join(name for name, there in zip(names, chosen, strict=True) if there)


MEASURE = Measure(
    read=Labels.read_sets,
    options={"label_as": "index", "all_labels": True},
    answers=_answers,
    find=_find,
    keep=_keep,
)
