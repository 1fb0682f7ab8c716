"""How good answers to rows of a table are: as classes, or as numbers."""

from typing import Any

import numpy as np
import pandas as pd

from pyfunc_models import Status

from ..errors import InputError
from .measure import Found
from .metrics import interval, rates


def found(rows: pd.DataFrame) -> Found:
    """Of rows with `truth`, `answer` and `status`; floats are measured as numbers, all else as classes.

    An array is taken for the scores of classes, of which the largest is the answer, by its position. Raises InputError
    where truth and answers cannot be of one kind.
    """
    answered = rows[rows["status"] == Status.OK.value]
    if isinstance(answered["answer"].iloc[0], float):
        return Found({**_of_numbers(answered), "rows": float(len(rows)), **rates(rows)}, 0, "")
    return _of_classes(rows, answered)


def _of_numbers(answered: pd.DataFrame) -> dict[str, float]:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    try:
        truth = answered["truth"].astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(
            "The version answers with numbers, and the labels are none. Name another column."
        ) from None
    answers = answered["answer"].astype(np.float64)
    return {
        "mean_absolute_error": float(mean_absolute_error(truth, answers)),
        "root_mean_squared_error": float(root_mean_squared_error(truth, answers)),
        "r2": float(r2_score(truth, answers)) if len(truth) > 1 else float("nan"),
    }


def _of_classes(rows: pd.DataFrame, answered: pd.DataFrame) -> Found:
    """A row without an answer is a wrong one."""
    from sklearn.metrics import f1_score

    truth = rows["truth"].map(_class)
    given = answered["answer"].map(_class).reindex(rows.index, fill_value="")
    right = truth == given
    low, high = interval(int(right.sum()), len(rows))
    classes = sorted(truth.unique())
    by_class = dict(
        zip(classes, f1_score(truth, given, labels=classes, average=None, zero_division=0), strict=True)
    )
    figures = {
        "rows": float(len(rows)),
        "accuracy": float(right.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "f1_macro": float(np.mean(list(by_class.values()))),
        **rates(rows),
    }
    return Found(figures, len(classes), min(by_class, key=lambda name: by_class[name]))


def _class(said: Any) -> str:
    """How a class is called, whatever type says so: 1, 1.0 and [0.2, 0.8] are one."""
    if isinstance(said, list | np.ndarray):
        return str(int(np.argmax(said)))
    if isinstance(said, float) and said.is_integer():
        return str(int(said))
    return str(said)
