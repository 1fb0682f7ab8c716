"""Photos are read in a child process once a task was tried in vain: one that crashes or hangs it is found.

The first attempt of a task pays nothing for that. Spark then tries it again, and this answers in the model's place: a
reader (`readers`) is given a few rows at a time. Where it ends, another one is given them one by one, and what is left
is a row with a status. This travels by value, as `arrivals` does.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd
from pyspark import cloudpickle

from .readers import Child, Lost, Reader

# Of which one is asked for at a time: whole batches of every engine, and few enough to be gone through one by one.
PIECE_ROWS = 64
# For the engine, once the photos themselves are read.
GRACE_S = 30.0
# For MLflow, the wrapper and the graph to be loaded.
READY_S = 900.0

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


class Isolated:
    """Answers as the model in `folder` does, but in another process; what a photo does to that is its row's fault.

    `check` is asked before anything of the folder is loaded, and raises where it is not to be.
    """

    def __init__(self, folder: str, limit_s: float, check: Callable[[], None]) -> None:
        self._folder, self._limit_s, self._check = folder, limit_s, check
        self._child: Child | None = None
        self._reader: Reader | None = None
        self._blank = pd.DataFrame()

    def predict(self, rows: pd.DataFrame, params: Mapping[str, Any] | None) -> pd.DataFrame:
        """One row for each row, in order. Raises RuntimeError where the model itself fails, photo or none."""
        batch = int((params or {}).get("batch_size") or 1)
        size = batch * max(1, PIECE_ROWS // batch)
        pieces = (rows.iloc[start : start + size] for start in range(0, len(rows), size))
        answers = [answer for piece in pieces for answer in self._answers(piece, params)]
        return pd.concat(answers, ignore_index=True)

    def close(self) -> None:
        """End all processes, if there are any."""
        if self._child is not None:
            self._child.end()
        self._child = self._reader = None

    def _answers(self, rows: pd.DataFrame, params: Mapping[str, Any] | None) -> Iterator[pd.DataFrame]:
        try:
            yield self._ask(rows, params)
        except Lost:
            for row in range(len(rows)):
                yield self._answer(rows.iloc[row : row + 1], params)

    def _answer(self, row: pd.DataFrame, params: Mapping[str, Any] | None) -> pd.DataFrame:
        """Of one photo, which is asked for a second time where somebody else may have ended the reader."""
        try:
            return self._ask(row, params)
        except Lost as lost:
            if lost.sure:
                return self._fault(lost)
        try:
            return self._ask(row, params)
        except Lost as lost:
            return self._fault(lost)

    def _ask(self, rows: pd.DataFrame, params: Mapping[str, Any] | None) -> pd.DataFrame:
        reader = self._reader or self._started(rows, params)
        try:
            return reader.ask(rows, params, self._limit_s * len(rows) + GRACE_S)
        except Lost:
            self._reader = None
            raise

    def _started(self, rows: pd.DataFrame, params: Mapping[str, Any] | None) -> Reader:
        """A reader that has loaded all that it needs, and has answered for a photo that is not there."""
        if self._child is None or self._child.is_gone:
            self._check()
            self._child = Child(self._folder, self._limit_s)
        nothing = pd.DataFrame({name: [None] for name in rows.columns}, dtype=object)
        try:
            reader = self._child.reader()
            self._blank = reader.ask(nothing, params, READY_S)
        except Lost as lost:
            raise RuntimeError(
                f"The model does not run on this node, photos or none: {lost.error}."
            ) from lost
        self._reader = reader
        return reader

    def _fault(self, lost: Lost) -> pd.DataFrame:
        """As the wrapper itself sends a row without a prediction."""
        said = {"status": lost.status, "error": lost.error}
        columns = {name: said.get(name.rpartition("_")[2]) for name in self._blank.columns}
        return self._blank.assign(
            **{name: pd.Series([text], dtype=object) for name, text in columns.items() if text}
        )
