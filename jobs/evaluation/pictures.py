"""Two pictures of an evaluation, readable with a thousand classes too: what is mistaken for what, and calibration."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .metrics import CONFIDENCE_BINS, NO_ANSWER, Calibration

MOST_CLASSES = 24
"""More rows than this cannot be read on a screen; `confusions.csv` has all."""

_LONGEST_LABEL = 22
_DOTS_PER_INCH = 120
_OTHERS = -1


def draw_confusions(photos: pd.DataFrame, labels: Sequence[str], into: Path) -> None:
    """Confusion matrix of the classes that occur; of many, those with the most mistakes, the rest as one.

    `photos`: `class_index` and `predicted_index`, or NO_ANSWER; such photos are only counted.
    """
    from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

    answered = photos[photos["predicted_index"] != NO_ANSWER]
    shown, others = _shown(answered)
    categories = [*shown, _OTHERS] if others else shown
    truth, predicted = (
        answered[column].where(answered[column].isin(shown), _OTHERS)
        for column in ("class_index", "predicted_index")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one class alone is unusual, but no mistake
        counts = confusion_matrix(truth, predicted, labels=categories)
    names = [_short(labels, index) for index in shown] + ([f"({others} others)"] if others else [])
    size = 4.0 + 0.36 * len(names)
    figure = Figure(figsize=(size + 1.0, size), layout="constrained")
    axes = figure.add_subplot()
    # Each row by its own photos: a class with many would leave all others pale.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    display = ConfusionMatrixDisplay(shares, display_labels=names)
    display.plot(
        ax=axes, cmap="Blues", xticks_rotation=90, include_values=False, im_kw={"vmin": 0, "vmax": 1}
    )
    display.im_.colorbar.set_label("share of the class's photos")
    _write_counts(axes, counts, shares)
    axes.set(xlabel="answered", ylabel="labelled", title=_title(photos, answered, shown, others))
    figure.savefig(into, dpi=_DOTS_PER_INCH)


def draw_reliability(found: Calibration, into: Path) -> None:
    """Accuracy over confidence, a point a bin, and below it how many photos each bin has."""
    figure = Figure(figsize=(6, 6.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], linestyle=":", color="grey", label="perfectly calibrated")
    upper.plot(found.confidence, found.accuracy, marker="o", label="this version")
    upper.set(ylabel="share that is right", ylim=(0, 1.02), xlim=(0, 1))
    upper.set_title(f"Expected calibration error {found.error:.3f}, {CONFIDENCE_BINS} bins")
    upper.legend(loc="lower right")
    lower.bar(found.confidence, found.photos, width=0.8 / CONFIDENCE_BINS)
    lower.set(xlabel="confidence (score of the best class)", ylabel="photos")
    figure.savefig(into, dpi=_DOTS_PER_INCH)


def _shown(answered: pd.DataFrame) -> tuple[list[int], int]:
    """The classes that get a row, in the order of the classes, and how many others occur."""
    truth, predicted = answered["class_index"], answered["predicted_index"]
    occurring = sorted({*truth, *predicted})
    if len(occurring) <= MOST_CLASSES:
        return occurring, 0
    wrong = truth != predicted
    mistakes = truth[wrong].value_counts().add(predicted[wrong].value_counts(), fill_value=0)
    ranked = sorted(occurring, key=lambda index: (-mistakes.get(index, 0), index))
    return sorted(ranked[:MOST_CLASSES]), len(occurring) - MOST_CLASSES


def _short(labels: Sequence[str], index: int) -> str:
    """The index tells two classes of one label apart; without labels of its own a class is its index."""
    label = labels[index]
    if label == str(index):
        return label
    return f"{index} {label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + '…'}"


def _write_counts(axes: Axes, counts: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    for row, column in zip(*np.nonzero(counts), strict=True):
        axes.text(
            column,
            row,
            f"{counts[row, column]:,}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if shares[row, column] > 0.5 else "black",
        )


def _title(photos: pd.DataFrame, answered: pd.DataFrame, shown: Sequence[int], others: int) -> str:
    most = f"The {len(shown)} classes with the most mistakes (confusions.csv has all)"
    which = most if others else f"All {len(shown)} classes that occur"
    left_out = len(photos) - len(answered)
    return f"{which}, {len(answered):,} photos" + (f"\n{left_out:,} without an answer" if left_out else "")
