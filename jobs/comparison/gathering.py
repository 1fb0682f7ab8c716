"""The table of a comparison, read batch by batch: counts, and the few rows that a page shows."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..reporting.gathering import BINS, MOST_KINDS, Files
from ..reporting.sampling import Lowest, random_of
from .figures import CLASS

SIDES = ("a", "b")
SHOWN, ONE_SIDED = 24, 12
_BATCH_ROWS = 65_536
_OTHERS = ("(others)", "(others)")


@dataclass(frozen=True, slots=True)
class Asked:
    """One photo: its key as text, what each version said of it, and the index of its class where that is known."""

    key: str
    a: Any
    b: Any
    truth: int | None


@dataclass(slots=True)
class Answers:
    """`differing`: rows that both answer, differently; by how sure the less sure one is, the surest first.

    `one_sided`: rows that only one answers. `changes`: pairs of different labels, counted. `names`: labels by their
    classes' indexes, as far as anybody answered with them.
    """

    key: str = ""
    differing: Lowest[Asked] = field(default_factory=lambda: Lowest(SHOWN))
    one_sided: Lowest[Asked] = field(default_factory=lambda: Lowest(ONE_SIDED))
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    statuses: dict[str, Counter[str]] = field(default_factory=lambda: {side: Counter() for side in SIDES})
    confidence: dict[str, Any] = field(
        default_factory=lambda: {side: np.zeros(BINS, dtype=np.int64) for side in SIDES}
    )
    names: dict[int, str] = field(default_factory=dict)

    def add(self, batch: pa.RecordBatch, random: np.random.Generator) -> None:
        """Rows of the table."""
        scores = {side: self._add_side(side, batch.column(side)) for side in SIDES}
        differs = np.asarray(pc.fill_null(pc.invert(batch.column("agree")), False))
        both = ~np.isnan(scores["a"]) & ~np.isnan(scores["b"])
        surest = -np.fmin(scores["a"], scores["b"])
        self.differing.offer(np.where(differs & both, surest, np.nan), lambda at: _row(batch, at))
        ranks = np.where(differs & ~both, random.random(batch.num_rows), np.nan)
        self.one_sided.offer(ranks, lambda at: _row(batch, at))
        changed = batch.filter(pa.array(differs & both))
        self._add_changes(*(pc.struct_field(changed.column(side), "label").to_pylist() for side in SIDES))

    def _add_side(self, side: str, said: Any) -> Any:
        """The scores, NaN where there is no answer."""
        for each in pc.value_counts(pc.struct_field(said, "status")):
            self.statuses[side][str(each["values"].as_py())] += each["counts"].as_py()
        score = pc.cast(pc.struct_field(said, "score"), pa.float64()).to_numpy(zero_copy_only=False)
        there = score[~np.isnan(score)]
        self.confidence[side] += np.histogram(np.clip(there, 0, 1), bins=BINS, range=(0, 1))[0]
        classes = pc.unique(pc.struct_field(said, "class_index")).to_pylist()
        for index in {index for index in classes if index is not None} - self.names.keys():
            if len(self.names) < MOST_KINDS:
                at = pc.index(pc.struct_field(said, "class_index"), index).as_py()
                self.names[index] = str(said[at]["label"].as_py())
        return score

    def _add_changes(self, before: list[str], after: list[str]) -> None:
        for pair, count in Counter(zip(before, after, strict=True)).items():
            known = pair in self.changes or len(self.changes) < MOST_KINDS
            self.changes[pair if known else _OTHERS] += count


def gathered(files: Files, names: Iterable[str]) -> Answers:
    """Of the Parquet files of a comparison; memory for one batch. Raises OSError and pyarrow's errors."""
    found = Answers()
    for name in sorted(names):
        with files.open(name) as file:
            table = pq.ParquetFile(file)
            found.key = found.key or table.schema_arrow.field(0).name
            for batch in _batches(table, found.key):
                found.add(batch, random_of(name))
    return found


def _batches(table: pq.ParquetFile, key: str) -> Iterator[pa.RecordBatch]:
    return table.iter_batches(_BATCH_ROWS, columns=[key, *SIDES, "agree", CLASS])  # type: ignore[no-any-return]


def _row(batch: pa.RecordBatch, at: int) -> Asked:
    row = batch.slice(at, 1)
    a, b, truth = (row.column(name)[0].as_py() for name in (*SIDES, CLASS))
    return Asked(str(row.column(0)[0].as_py()), a, b, truth)
