"""On a worker: a pyfunc of any flavour, asked for rows of columns, answers one row for each row.

This file travels alone, as the script of an MLflow model, so it imports nothing of this package: what a worker needs
is what the version itself needs, and MLflow.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel

MISSING = "_stagewright_missing"
"""The column that names the first input that is null in a row, and may not be; "" where there is none."""
BATCH = 1024
# MLflow runs this file anew each time that it loads it, once a task on local masters.
_MEMORY = "_stagewright_foreign"
# What is no row's fault.
_OURS = (MemoryError, ImportError)


class Host(PythonModel):
    """Columns of a row in; the version's outputs, `status` and `error` out.

    `told`: `inputs`, each with `name`, the NumPy `dtype` or None, and the `shape` of a tensor or None, of which the one
    without a name is all of the input; and `outputs`, each with `name`, `blank` and the depth of its arrays. A row
    that the model fails on is found by halving the batch, and is `unsupported`.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.inputs: list[dict[str, Any]] = told["inputs"]
        self.outputs: list[dict[str, Any]] = told["outputs"]

    def load_context(self, context: Any) -> None:
        """Load the version as MLflow does, once for each process."""
        folder = str(Path(context.artifacts["model"]).resolve())
        loaded = sys.modules.setdefault(_MEMORY, ModuleType(_MEMORY)).__dict__
        if folder not in loaded:
            loaded[folder] = mlflow.pyfunc.load_model(folder)
        self.model = loaded[folder]

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """One row for each row; the param `batch_size` is how many the version is asked for at once."""
        count = len(model_input)
        found = {each["name"]: [each["blank"]] * count for each in self.outputs}
        status, error = np.full(count, "missing", dtype=object), np.full(count, "", dtype=object)
        missing = model_input[MISSING]
        for row in np.flatnonzero(missing != ""):
            error[row] = f"input {missing.iloc[row]!r} is null"
        good = np.flatnonzero(missing == "")
        size = int((params or {}).get("batch_size") or BATCH)
        for start in range(0, len(good), size):
            for rows, answers, fault in self._answers(model_input, good[start : start + size]):
                status[rows], error[rows] = ("unsupported", fault) if fault else ("ok", "")
                for name, values in answers.items():
                    for row, value in zip(rows, values, strict=True):
                        found[name][row] = value
        return pd.DataFrame({**found, "status": status, "error": error})

    def _answers(self, given: pd.DataFrame, rows: Any) -> Iterator[tuple[Any, dict[str, Any], str]]:
        """Rows with their answers, or with why there are none; a batch that fails is asked again by halves."""
        try:
            answers = self._columns(self.model.predict(self._given(given.iloc[rows])), len(rows))
        except _OURS:
            raise
        except Exception as fault:
            if len(rows) == 1:
                yield rows, {}, f"the model raised {_shown(fault)}"
                return
        else:
            yield rows, answers, ""
            return
        half = len(rows) // 2
        yield from self._answers(given, rows[:half])
        yield from self._answers(given, rows[half:])

    def _given(self, rows: pd.DataFrame) -> Any:
        """As the version's signature has it: a DataFrame, a tensor, or tensors by their names."""
        if self.inputs[0]["shape"] is None:
            typed = {each["name"]: each["dtype"] for each in self.inputs if each["dtype"]}
            return rows[[each["name"] for each in self.inputs]].astype(typed).reset_index(drop=True)
        tensors = {each["name"]: _tensor(rows[each["name"]], each) for each in self.inputs}
        return tensors[""] if list(tensors) == [""] else tensors

    def _columns(self, answer: Any, count: int) -> dict[str, Any]:
        """What the version answered, by its outputs' names, `count` values each. Raises ValueError on any other."""
        names = [each["name"] for each in self.outputs]
        found = dict(zip(names, _by_name(answer, names), strict=True))
        for each in self.outputs:
            values = found[each["name"]]
            if len(values) != count:
                raise ValueError(f"gave {len(values)} answers to {count} rows")
            found[each["name"]] = _plain(values, each)
        return found


def _tensor(values: pd.Series, said: Mapping[str, Any]) -> Any:
    """A column of arrays, or of arrays of arrays, -> one tensor. Raises ValueError where they are of other shapes."""
    dtype = np.dtype(said["dtype"])
    rows = np.stack([np.asarray(_nested(value), dtype=dtype) for value in values])
    return rows.reshape(len(rows), *said["shape"][1:])


def _nested(value: Any) -> Any:
    """Arrow gives arrays of arrays as arrays of objects."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [_nested(each) for each in value]
    return value


def _by_name(answer: Any, names: list[str]) -> list[Any]:
    """The values of each output, found by its name or else by its place."""
    if isinstance(answer, pd.DataFrame):
        answer = {str(name): answer[name] for name in answer.columns}
    if isinstance(answer, Mapping):
        said = {str(name): values for name, values in answer.items()}
        if set(names) <= said.keys():
            return [said[name] for name in names]
        if len(said) == len(names):
            return list(said.values())
        raise ValueError(f"answered with {sorted(said)}, not with {names}")
    if len(names) == 1:
        return [answer]
    table = np.asarray(answer)
    if table.ndim != 2 or table.shape[1] != len(names):
        raise ValueError(f"answered with {list(table.shape)}, not with {len(names)} columns")
    return list(table.T)


def _plain(values: Any, said: Mapping[str, Any]) -> list[Any]:
    """Values as Spark takes them: text, numbers, or arrays of the depth that the signature says."""
    rows = list(np.asarray(values)) if not isinstance(values, list | pd.Series) else list(values)
    if said["depth"]:
        return [np.asarray(row).tolist() if said["depth"] > 1 else np.asarray(row) for row in rows]
    blank = said["blank"]
    return [blank if row is None else _scalar(row, blank) for row in rows]


def _scalar(value: Any, blank: Any) -> Any:
    """One value; of a tensor [N, 1] that is said to be [N] too."""
    value = value.reshape(()).item() if isinstance(value, np.ndarray) else value
    return str(value) if isinstance(blank, str) else value


def _shown(fault: Exception, most: int = 300) -> str:
    text = " ".join(str(fault).split())
    return f"{type(fault).__name__}: {text[:most]}"
