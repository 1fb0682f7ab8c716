"""How good the labels are that photos get, where each may have several: figures, and a table by label."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pyfunc_models import Status

NO_SCORE = -1.0


@dataclass(frozen=True, slots=True)
class LabelSets:
    """Of N photos and C labels: `truth` and `chosen` bool [N, C], `scores` float32 [N, C] or NO_SCORE."""

    truth: NDArray[np.bool_]
    chosen: NDArray[np.bool_]
    scores: NDArray[np.float32]

    @classmethod
    def of(cls, photos: pd.DataFrame, labels: int, threshold: float) -> "LabelSets":
        """From rows with `truth`, positions with blanks between them, and arrays `positions` and `scores`."""
        shape = (len(photos), labels)
        truth, scores = np.zeros(shape, dtype=bool), np.full(shape, NO_SCORE, dtype=np.float32)
        for row, said in enumerate(photos["truth"]):
            truth[row, [int(position) for position in said.split()]] = True
        for row in np.flatnonzero(photos["status"] == Status.OK.value).tolist():
            positions = [int(position) for position in photos["positions"].iloc[row]]
            scores[row, positions] = photos["scores"].iloc[row]
        return cls(truth, scores >= np.float32(threshold), scores)


def figures(sets: LabelSets, table: pd.DataFrame) -> dict[str, float]:
    """The figures of an evaluation; a photo without an answer has got no label.

    Macro figures and the mean average precision are over the labels that some photo has. `best_threshold` is the one
    with the highest micro F1 on these photos, `best_f1_micro`.
    """
    right = int((sets.truth & sets.chosen).sum())
    wanted, given = int(sets.truth.sum()), int(sets.chosen.sum())
    best, at = _best_threshold(sets)
    return {
        "photos": float(len(sets.truth)),
        "f1_micro": 2 * right / (wanted + given) if wanted + given else 1.0,
        "f1_macro": float(table["f1"].mean()),
        "precision_micro": right / given if given else 0.0,
        "recall_micro": right / wanted if wanted else 1.0,
        "mean_average_precision": float(table["average_precision"].mean()),
        "exact_match": float((sets.truth == sets.chosen).all(axis=1).mean()),
        "best_threshold": at,
        "best_f1_micro": best,
    }


def by_label(sets: LabelSets, names: Sequence[str]) -> pd.DataFrame:
    """A row for each label that some photo has, by its position: photos, given, correct, and what follows of them."""
    from sklearn.metrics import average_precision_score

    there = np.flatnonzero(sets.truth.any(axis=0)).tolist()
    truth, chosen = sets.truth[:, there], sets.chosen[:, there]
    photos, given, correct = truth.sum(axis=0), chosen.sum(axis=0), (truth & chosen).sum(axis=0)
    return pd.DataFrame(
        {
            "class_index": there,
            "label": [names[index] for index in there],
            "photos": photos,
            "given": given,
            "correct": correct,
            "precision": correct / np.maximum(given, 1),
            "recall": correct / photos,
            "f1": 2 * correct / (photos + given),
            "average_precision": [
                average_precision_score(sets.truth[:, index], sets.scores[:, index]) for index in there
            ],
        }
    )


def _best_threshold(sets: LabelSets) -> tuple[float, float]:
    """The highest micro F1 that a threshold gives, and the lowest threshold that gives it."""
    from sklearn.metrics import precision_recall_curve

    answered = sets.scores[:, 0] != NO_SCORE
    unanswered = int(sets.truth[~answered].sum())
    truth = sets.truth[answered].ravel()
    if not truth.any():
        return 0.0, float("nan")
    precision, recall, thresholds = precision_recall_curve(truth, sets.scores[answered].ravel())
    # What was not answered is not recalled either.
    recall = recall * truth.sum() / (truth.sum() + unanswered)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(np.float64).tiny)
    at = int(f1[:-1].argmax())
    return float(f1[at]), float(thresholds[at])
