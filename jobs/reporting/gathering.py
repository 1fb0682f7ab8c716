"""What the rows of an output are, all in all: read batch by batch, and kept as counts and a few rows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .sampling import Lowest, random_of

BINS = 20
"""Of equal width, from 0 to 1."""
OK = "ok"
_BATCH_ROWS = 65_536
_SAMPLED, _LEAST, _BAD_OF_EACH = 36, 12, 8
# Beyond them, which only a damaged output has, labels and reasons are counted as one.
MOST_KINDS = 50_000
_OTHERS = "(others)"
# What rows have besides what was kept along with them, which comes first.
_OURS = frozenset(
    ("prediction", "status", "error", "model_name", "model_version", "model_digest", "scoring_run_id")
)


class Files(Protocol):
    """Where Parquet files lie."""

    def open(self, name: str) -> Any:
        """One to be read here and there."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One row. `key`: its first kept column as text; `score`: of its label, 0 to 1."""

    key: str
    status: str
    label: str | None = None
    score: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """All rows of an output. `by_label` and `confidence` are of those with a prediction, and empty without labels.

    `confidence`: how many have a score in each of BINS bins. `reasons`: why others have none, numbers as N. `sampled`
    are any rows with a prediction, `least_confident` those of the lowest scores, `bad` some of each other status.
    """

    key: str
    labelled: bool
    count: int
    by_status: dict[str, int]
    by_label: dict[str, int]
    confidence: tuple[int, ...]
    reasons: dict[str, int]
    sampled: Sequence[Photo]
    least_confident: Sequence[Photo]
    bad: Sequence[Photo]


def gathered(files: Files, names: Iterable[str]) -> Rows:
    """Of the Parquet files of an output; memory for one batch. Raises OSError and pyarrow's errors."""
    gathering = _Gathering()
    for name in sorted(names):
        with files.open(name) as file:
            gathering.read(name, pq.ParquetFile(file))
    return gathering.rows()


@dataclass(slots=True)
class _Gathering:
    key: str = ""
    labelled: bool = False
    count: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    by_label: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    confidence: Any = field(default_factory=lambda: np.zeros(BINS, dtype=np.int64))
    sampled: Lowest[Photo] = field(default_factory=lambda: Lowest(_SAMPLED))
    least: Lowest[Photo] = field(default_factory=lambda: Lowest(_LEAST))
    bad: dict[str, Lowest[Photo]] = field(default_factory=dict)

    def read(self, name: str, file: pq.ParquetFile) -> None:
        self.key = self.key or _key(file.schema_arrow)
        random = random_of(name)
        for batch in _batches(file, self.key):
            self._add(batch, random)

    def _add(self, batch: "_Batch", random: np.random.Generator) -> None:
        self.labelled |= batch.labels is not None
        self.count += len(batch.statuses)
        _count(self.by_status, batch.statuses)
        _count(self.reasons, _by_kind(batch.errors))
        ranks = random.random(len(batch.statuses))
        good = np.asarray(pc.equal(batch.statuses, OK))
        self.sampled.offer(np.where(good, ranks, np.nan), batch.photo)
        if batch.labels is not None:
            self._add_labels(batch)
        self._add_bad(batch, np.where(good, np.nan, ranks))

    def _add_labels(self, batch: "_Batch") -> None:
        _count(self.by_label, batch.labels)
        scores = np.asarray(pc.cast(batch.scores, pa.float64()).to_numpy(zero_copy_only=False), dtype=float)
        there = scores[~np.isnan(scores)]
        self.confidence += np.histogram(np.clip(there, 0, 1), bins=BINS, range=(0, 1))[0]
        self.least.offer(scores, batch.photo)

    def _add_bad(self, batch: "_Batch", ranks: Any) -> None:
        if np.isnan(ranks).all():
            return
        for status in pc.unique(batch.statuses).to_pylist():
            if status != OK:
                mine = np.asarray(pc.equal(batch.statuses, status))
                kept = self.bad.setdefault(status, Lowest(_BAD_OF_EACH))
                kept.offer(np.where(mine, ranks, np.nan), batch.photo)

    def rows(self) -> Rows:
        return Rows(
            self.key,
            self.labelled,
            self.count,
            _falling(self.by_status),
            _falling(self.by_label),
            tuple(self.confidence.tolist()) if self.labelled else (),
            _falling(self.reasons),
            self.sampled.rows,
            self.least.rows,
            [photo for status in sorted(self.bad) for photo in self.bad[status].rows],
        )


@dataclass(frozen=True, slots=True)
class _Batch:
    keys: Any
    statuses: Any
    errors: Any
    labels: Any
    scores: Any

    def photo(self, at: int) -> Photo:
        values = (each[at].as_py() if each is not None else None for each in (self.labels, self.scores))
        label, score = values
        key = "" if self.keys is None else str(self.keys[at].as_py())
        return Photo(key, str(self.statuses[at].as_py()), label, score, self.errors[at].as_py())


def _batches(file: pq.ParquetFile, key: str) -> Iterator[_Batch]:
    """The few columns that are wanted: of a million rows, their embeddings and top classes stay where they are."""
    schema = file.schema_arrow
    answer = schema.field("prediction").type
    labelled = {"label", "score"} <= {answer.field(i).name for i in range(answer.num_fields)}
    inner = ["prediction.label", "prediction.score"] if labelled else []
    for batch in file.iter_batches(_BATCH_ROWS, columns=[*([key] if key else []), *inner, "status", "error"]):
        answers = batch.column("prediction") if inner else None
        label, score = (
            (None, None) if answers is None else (pc.struct_field(answers, n) for n in ("label", "score"))
        )
        keys = batch.column(key) if key else None
        yield _Batch(keys, batch.column("status"), batch.column("error"), label, score)


def _key(schema: pa.Schema) -> str:
    """The first kept column, if it is one that can be shown; else none."""
    first = schema.field(0)
    simple = not pa.types.is_nested(first.type) and not pa.types.is_binary(first.type)
    return first.name if first.name not in _OURS and simple else ""


def _by_kind(errors: Any) -> Any:
    """Reasons with numbers as N, but for the one in a format's name."""
    name, kept = "JPEG 2000", "JPEG \0"
    numbered = pc.replace_substring_regex(pc.replace_substring(errors, name, kept), r"\d[\d,.]*", "N")
    return pc.replace_substring(numbered, kept, name)


def _count(into: Counter[str], values: Any) -> None:
    for each in pc.value_counts(values):
        value = each["values"].as_py()
        if value is not None:
            into[value if value in into or len(into) < MOST_KINDS else _OTHERS] += each["counts"].as_py()


def _falling(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
