"""What a comparison on a table found, for a person and for `--json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pyfunc_models import Status
from registry import Outcome, RunStatus

from ..errors import ErrorBudgetExceeded
from ..scoring.report import in_words
from ..tables import DIGEST_SHOWN


@dataclass(frozen=True, slots=True)
class TableComparison:
    """`metrics`: `rows`, `agreement` (of those that either could answer), `disagreements`, and of floats also
    `mean_absolute_difference` and `largest_difference`. `statuses`: of `a` and of `b`, rows by status.
    """

    a: str
    b: str
    dataset: str
    dataset_digest: str
    metrics: Mapping[str, float]
    statuses: Mapping[str, Mapping[str, int]]
    output: str
    run_id: str
    seconds: float

    def outcome(self, status: RunStatus = RunStatus.FINISHED) -> Outcome:
        """What the run says in the end."""
        said = {"dataset_digest": self.dataset_digest}
        return Outcome(status, metrics={**self.metrics, "seconds": self.seconds}, tags=said)

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For a person."""
        figures = (f"{name:<12} {value:.6g}" for name, value in self.metrics.items())
        sides = (
            f"{name}            {getattr(self, name)}  ({in_words(self.statuses[name])})"
            for name in ("a", "b")
        )
        where = f"data set     {self.dataset}, digest {self.dataset_digest[:DIGEST_SHOWN]}"
        return [*sides, where, *figures, f"output       {self.output}", f"run          {self.run_id}"]

    def check_budget(self, max_error_rate: float) -> None:
        """Raises ErrorBudgetExceeded where either has no answer for more than that share."""
        for name, counts in self.statuses.items():
            rate = 1 - counts.get(Status.OK.value, 0) / sum(counts.values())
            if rate > max_error_rate:
                raise ErrorBudgetExceeded(
                    f"Version {name} has no answer for {rate:.2%} of the rows ({in_words(counts)}), more than the "
                    f"{max_error_rate:.2%} that --max-error-rate allows. All answers are in {self.output!r}.",
                    self,
                )
