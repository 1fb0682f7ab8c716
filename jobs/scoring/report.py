"""What happened: rows by status, throughput, version, and where the predictions are."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from pyfunc_models import Status
from registry import Outcome
from registry.showing import table

from ..errors import ErrorBudgetExceeded
from .sources import left_out

ROWS = "rows"


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """The counts of one scoring job. `by_status` has every status that occurred; `seconds` is the Spark job's.

    `rows` and `by_status` are of all that the output holds, of which `rows_before` were there when the command began.
    `left_out`: files that the search for photos passed by, by reason; they are no rows. `gone` and `changed`: photos
    that are not there any more, or are others, since they were planned; their rows stay what they were. `recorded`:
    whether `scoring_run_id` is that of an MLflow run.
    """

    model_name: str
    model_version: int
    model_digest: str
    requested: str
    scoring_run_id: str
    input: str
    output: str
    rows: int
    by_status: dict[str, int]
    seconds: float
    left_out: Mapping[str, int] = field(default_factory=dict)
    rows_before: int = 0
    gone: int = 0
    changed: int = 0
    recorded: bool = True

    @property
    def images_per_second(self) -> float:
        """This command's rows by the wall time of the Spark job, its start-up of workers included."""
        return (self.rows - self.rows_before) / self.seconds if self.seconds else 0.0

    @property
    def error_rate(self) -> float:
        """The share of rows without a prediction, 0 to 1."""
        return 1 - self.by_status.get(Status.OK.value, 0) / self.rows if self.rows else 0.0

    def check_budget(self, max_error_rate: float) -> None:
        """Raises ErrorBudgetExceeded where more rows than that share have no prediction."""
        if self.error_rate > max_error_rate:
            faults = {status: count for status, count in self.by_status.items() if status != Status.OK}
            raise ErrorBudgetExceeded(
                f"{self.error_rate:.2%} of {self.rows:,} rows have no prediction ({in_words(faults)}), more than the "
                f"{max_error_rate:.2%} that --max-error-rate allows. Everything that was scored is in "
                f"{self.output!r}; its column `error` says what is wrong with each row.",
                self,
            )

    def document(self) -> dict[str, Any]:
        """For `--json` and the MLflow run."""
        return {
            **asdict(self),
            "error_rate": round(self.error_rate, 6),
            "images_per_second": round(self.images_per_second, 2),
        }

    def lines(self) -> list[str]:
        """For a person."""
        return [
            f"model    models:/{self.model_name}/{self.model_version}  (asked for as {self.requested})",
            f"rows     {self.rows:,}  ({in_words(self.by_status)}){self._before()}",
            f"speed    {self.images_per_second:,.1f} rows a second, {self.seconds:,.1f} s",
            f"output   {self.output}",
            *([f"left out {self.left_out_in_words}"] if self.left_out_in_words else []),
            f"run      {self.scoring_run_id}{'' if self.recorded else ' (in rows only: --no-record)'}",
        ]

    def _repr_html_(self) -> str:
        """For notebooks."""
        rows = [
            ("asked for as", self.requested),
            ("rows", f"{self.rows:,} ({in_words(self.by_status)}){self._before()}"),
            ("rows a second", self.images_per_second),
            ("input", self.input),
            ("output", self.output),
            ("run", self.scoring_run_id),
        ]
        return table(f"models:/{self.model_name}/{self.model_version}", rows)

    @property
    def left_out_in_words(self) -> str:
        """What the search for photos passed by; empty where it was nothing."""
        return left_out.in_words(self.left_out)

    def _before(self) -> str:
        return f"; {self.rows_before:,} of them were there before" if self.rows_before else ""


def in_words(by_status: Mapping[str, int]) -> str:
    """Counts by status, on one line."""
    return ", ".join(f"{count:,} {status}" for status, count in by_status.items()) or "no rows"


def in_order(by_status: Mapping[str, int]) -> dict[str, int]:
    """Counts by status in the order in which statuses are told of."""
    known = [status.value for status in Status if status.value in by_status]
    return {status: by_status[status] for status in (*known, *sorted(by_status.keys() - set(known)))}


def outcome(finished: ScoreReport) -> Outcome:
    """What the job's run has to say."""
    metrics = {
        "rows": float(finished.rows),
        "images_per_second": finished.images_per_second,
        "error_rate": finished.error_rate,
        "seconds": finished.seconds,
        **{f"status_{name}": float(count) for name, count in finished.by_status.items()},
    }
    return Outcome(metrics=metrics)


def observed(predictions: DataFrame) -> tuple[DataFrame, Observation]:
    """`predictions`, and what counts its rows by status while they are written: no second pass."""
    counts: list[Column] = [
        F.count_if(F.col("status") == status.value).alias(status.value) for status in Status
    ]
    observation = Observation("stagewright")
    return predictions.observe(observation, F.count(F.lit(1)).alias(ROWS), *counts), observation


def by_status(observation: Observation) -> tuple[int, dict[str, int]]:
    """Rows in all, and those of each status that occurred, after the frame was evaluated."""
    counts = dict(observation.get)
    rows = int(counts.pop(ROWS))
    return rows, {status: int(count) for status, count in counts.items() if count}
