"""How good the answers for labelled photos are: figures, and tables that say where they come from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pyfunc_models import Status

CONFIDENCE_BINS = 15
"""Equal-width bins of [0, 1], as in Guo et al., On Calibration of Modern Neural Networks, 2017, section 4."""

INTERVAL = 0.95
NO_ANSWER = -1


@dataclass(frozen=True, slots=True)
class Calibration:
    """Bins of confidence that hold photos: how many, their mean confidence, the share that is right."""

    photos: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error: the bins' gaps between confidence and accuracy, weighted by photos."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.photos * gaps).sum() / self.photos.sum())


def calibration(right: NDArray[np.bool_], confidence: NDArray[np.float64]) -> Calibration:
    """Of N photos that were scored: whether the best class is right, and its score. Bins are (low, high]."""
    from sklearn.calibration import calibration_curve

    confidence = np.clip(confidence, 0.0, 1.0)  # a softmax in float32 may sum to a little more than 1
    accuracy, mean = calibration_curve(right, confidence, n_bins=CONFIDENCE_BINS)
    # scikit-learn tells no counts; the bins are its own.
    edges = np.linspace(0.0, 1.0, CONFIDENCE_BINS + 1)[1:-1]
    counts = np.bincount(np.searchsorted(edges, confidence), minlength=CONFIDENCE_BINS)
    return Calibration(counts[counts > 0], mean, accuracy)


def calibration_of(photos: pd.DataFrame) -> Calibration:
    """Of the photos that were scored; columns as `figures` takes them."""
    scored = photos[photos["status"] == Status.OK.value]
    right = (scored["predicted_index"] == scored["class_index"]).to_numpy()
    return calibration(right, scored["score"].to_numpy(dtype=np.float64))


def figures(photos: pd.DataFrame, by_class: pd.DataFrame) -> dict[str, float]:
    """The figures of an evaluation, at least one of whose photos was scored.

    `photos`: a row each with `class_index`, `predicted_index` (or NO_ANSWER), `score`, `in_top5` and `status`.
    A photo without an answer is a wrong one in accuracies; confidence and calibration are of the others.
    """
    right = (photos["predicted_index"] == photos["class_index"]).to_numpy()
    low, high = interval(int(right.sum()), len(photos))
    return {
        "photos": float(len(photos)),
        "top1": float(right.mean()),
        "top1_low": low,
        "top1_high": high,
        "top5": float(photos["in_top5"].mean()),
        "mean_class_accuracy": float(by_class["accuracy"].mean()),
        "worst_class_accuracy": float(by_class["accuracy"].min()),
        "mean_confidence": float(photos["score"].astype(np.float64).mean()),
        "ece": calibration_of(photos).error,
        **rates(photos),
    }


def rates(photos: pd.DataFrame) -> dict[str, float]:
    """The share of photos with each status, of those that there are."""
    return {f"rate_{status.value}": float((photos["status"] == status.value).mean()) for status in Status}


def interval(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share: how far the figure may be off because the photos are a sample."""
    from scipy.stats import binomtest

    found = binomtest(successes, trials).proportion_ci(confidence_level=INTERVAL, method="wilson")
    return float(found.low), float(found.high)


def by_class(photos: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """A row for each class that has photos, by its index: label, photos, correct, accuracy."""
    right = photos["predicted_index"] == photos["class_index"]
    table = right.groupby(photos["class_index"]).agg(photos="size", correct="sum").reset_index()
    table["accuracy"] = table["correct"] / table["photos"]
    table.insert(1, "label", [labels[i] for i in table["class_index"]])
    return table


def confusions(photos: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """A row for each pair of a class and another that was answered instead, the most frequent first."""
    wrong = photos[
        (photos["predicted_index"] != NO_ANSWER) & (photos["predicted_index"] != photos["class_index"])
    ]
    pairs = wrong.groupby(["class_index", "predicted_index"]).size().rename("photos").reset_index()
    pairs.insert(1, "label", [labels[i] for i in pairs["class_index"]])
    pairs.insert(3, "predicted_label", [labels[i] for i in pairs["predicted_index"]])
    order = ["photos", "class_index", "predicted_index"]
    return pairs.sort_values(order, ascending=[False, True, True], ignore_index=True)


def mcnemar_p(better: int, worse: int) -> float:
    """McNemar's exact two-sided p: were photos on which only one is right as likely to favour either?

    `better`, `worse`: photos on which only the challenger, only the other is right; with neither, p is 1. Source:
    McNemar, Psychometrika 12, 1947; with few such photos its binomial form is the one that holds.
    """
    from scipy.stats import binomtest

    discordant = better + worse
    return float(binomtest(better, discordant, 0.5).pvalue) if discordant else 1.0
