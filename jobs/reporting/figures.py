"""What a page counts, kept beside it: few enough for the next job of a stage to be held against it without a photo."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .gathering import BINS, MOST_KINDS, OK, Rows
from .timing import Times

FILE = "report.json"
MAX_BYTES = 64 * 1024**2
"""More than any job's figures take, however long its labels are."""
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Figures:
    """Of all rows of an output, or of some of them. `by_label`, `confidence`: as `Rows` has them.

    `timed_rows` of the rows are known to have taken `span_s` seconds; of the others it is not known.
    """

    rows: int
    by_status: Mapping[str, int]
    by_label: Mapping[str, int]
    confidence: tuple[int, ...]
    timed_rows: int = 0
    span_s: float = 0.0

    @classmethod
    def of(cls, rows: Rows, times: Times) -> "Figures":
        """What a page has gathered."""
        timed = sum(command.rows for command in times.commands)
        span = sum(command.span_s for command in times.commands)
        return cls(rows.count, rows.by_status, rows.by_label, rows.confidence, timed, round(span, 3))

    @property
    def bad(self) -> int:
        """Rows without a prediction."""
        return self.rows - self.by_status.get(OK, 0)

    @property
    def rate(self) -> float | None:
        """Photos a second; None where it is not known."""
        return self.timed_rows / self.span_s if self.span_s > 0 else None

    def __sub__(self, before: "Figures") -> "Figures":
        """Those of the rows that were added, where `before` is of the same output at an earlier time."""
        return Figures(
            max(0, self.rows - before.rows),
            dict(Counter(self.by_status) - Counter(before.by_status)),
            dict(Counter(self.by_label) - Counter(before.by_label)),
            _less(self.confidence, before.confidence),
            max(0, self.timed_rows - before.timed_rows),
            max(0.0, self.span_s - before.span_s),
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """The figures of an output when a command on it ended; `job`: the output's own, which all its commands share.

    `before`: those of the output when the command before ended, if there was one.
    """

    run_id: str
    job: str
    model_name: str
    model_version: int
    stage: str
    figures: Figures
    before: Figures | None = None

    @property
    def added(self) -> Figures:
        """Of the rows that came since the command before, which are those of this one."""
        return self.figures - self.before if self.before else self.figures

    def document(self) -> dict[str, Any]:
        """For FILE."""
        return {"format": _FORMAT, **asdict(self)}

    @classmethod
    def read(cls, content: bytes) -> "Kept":
        """What `document` made. Raises ValueError on anything else: whoever may write to runs may have written it."""
        try:
            said = json.loads(content)
            if said["format"] != _FORMAT:
                raise ValueError(f"figures of format {said['format']!r}, not {_FORMAT}")
            return cls(
                run_id=_text(said["run_id"]),
                job=_text(said["job"]),
                model_name=_text(said["model_name"]),
                model_version=_count(said["model_version"]),
                stage=_text(said["stage"]),
                figures=_figures(said["figures"]),
                before=_figures(said["before"]) if said["before"] is not None else None,
            )
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"no figures of a job: {type(error).__name__} {error}") from error


def _figures(said: Mapping[str, Any]) -> Figures:
    confidence = tuple(map(_count, said["confidence"]))
    if len(confidence) not in (0, BINS):
        raise ValueError(f"{len(confidence)} bins of confidence, not {BINS}")
    by_status, by_label = _counts(said["by_status"]), _counts(said["by_label"])
    span_s = float(said["span_s"])
    if not 0 <= span_s < float("inf"):
        raise ValueError(f"a job of {span_s!r} seconds")
    return Figures(_count(said["rows"]), by_status, by_label, confidence, _count(said["timed_rows"]), span_s)


def _counts(said: Mapping[str, Any]) -> dict[str, int]:
    if len(said) > MOST_KINDS + 1:
        raise ValueError(f"counts of {len(said):,} kinds, more than {MOST_KINDS:,}")
    return {_text(name): _count(count) for name, count in said.items()}


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**53:  # what a float still tells apart
        raise ValueError(f"{value!r} is no count")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _less(now: tuple[int, ...], before: tuple[int, ...]) -> tuple[int, ...]:
    if len(now) != len(before):
        return now
    return tuple(max(0, a - b) for a, b in zip(now, before, strict=True))
