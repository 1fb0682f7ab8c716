"""What a comparison found, for a person and for `--json`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

from registry import Outcome, RunStatus
from registry.gates.comparing import MCNEMAR_P, ONLY_CANDIDATE_RIGHT, ONLY_OTHER_RIGHT
from registry.showing import table

from ..scoring.report import ScoreReport, in_words
from ..tables import DIGEST_SHOWN, aligned


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One photo that the versions answer differently: its key, both answers, and the label where there is one."""

    key: str
    a: str
    a_score: float | None
    b: str
    b_score: float | None
    label: str | None


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """Figures of version b beside version a on the same photos; `a` and `b` have each side's counts of rows.

    `metrics`: `agreement` (0..1, of the photos that either could answer), `disagreements`, `photos`, `confidence_a`,
    `confidence_b`, `confidence_shift` (b less a, of the photos that both could answer); with labels also `top1` (b's),
    `top1_against` (a's), `only_a_right`, `only_b_right` and `mcnemar_p`.
    """

    a: ScoreReport
    b: ScoreReport
    dataset: str
    dataset_digest: str
    decoded_once: bool
    metrics: Mapping[str, float]
    disagreements: Sequence[Disagreement]

    def outcome(self, status: RunStatus = RunStatus.FINISHED) -> Outcome:
        """What the run says in the end."""
        timing = {"seconds": self.b.seconds, "images_per_second": self.b.images_per_second}
        return Outcome(
            status, metrics={**self.metrics, **timing}, tags={"dataset_digest": self.dataset_digest}
        )

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "a": self.a.document(),
            "b": self.b.document(),
            "dataset": self.dataset,
            "dataset_digest": self.dataset_digest,
            "decoded_once": self.decoded_once,
            "metrics": dict(self.metrics),
            "disagreements": [asdict(one) for one in self.disagreements],
            "output": self.b.output,
            "left_out": dict(self.b.left_out),
            "run_id": self.b.scoring_run_id,
        }

    def lines(self) -> list[str]:
        """For a person."""
        of, b = self.metrics, self.b
        decoding = "once for both" if self.decoded_once else "by each version: their decoders differ"
        return [
            *(f"{name}            {_side(side)}" for name, side in (("a", self.a), ("b", b))),
            f"data set     {self.dataset}, digest {self.dataset_digest[:DIGEST_SHOWN]}  ({b.rows:,} photos)",
            f"agreement    {of['agreement']:.4f}  ({of['disagreements']:,.0f} photos differ)",
            f"confidence   a {of['confidence_a']:.4f}, b {of['confidence_b']:.4f}, shift "
            f"{of['confidence_shift']:+.4f}",
            *self._right(),
            f"decoded      {decoding}",
            f"speed        {b.images_per_second:,.1f} photos a second, {b.seconds:,.1f} s",
            f"output       {b.output}",
            *([f"left out     {b.left_out_in_words}"] if b.left_out_in_words else []),
            f"run          {b.scoring_run_id}",
            *self._table(),
        ]

    def _repr_html_(self) -> str:
        """For notebooks: all figures, and the first photos that the two answer differently."""
        about = [
            *((name, _side(side)) for name, side in (("a", self.a), ("b", self.b))),
            ("data set", f"{self.dataset}, digest {self.dataset_digest[:DIGEST_SHOWN]}"),
            ("output", self.b.output),
            ("run", self.b.scoring_run_id),
        ]
        differing = [astuple(one) for one in self.disagreements]
        header = ("photo", "a", "score", "b", "score", "label")
        return table("Two versions compared", [*about, *self.metrics.items()]) + (
            table("Answered differently", differing, header) if differing else ""
        )

    def _right(self) -> list[str]:
        of = self.metrics
        if MCNEMAR_P not in of:
            return []
        return [
            f"top-1        a {of['top1_against']:.4f}, b {of['top1']:.4f}",
            f"only one     a right on {of[ONLY_OTHER_RIGHT]:,.0f}, b right on {of[ONLY_CANDIDATE_RIGHT]:,.0f}; "
            f"McNemar's exact p {of[MCNEMAR_P]:.3g}",
        ]

    def _table(self) -> list[str]:
        if not self.disagreements:
            return []
        labelled = any(one.label is not None for one in self.disagreements)
        header = ("PHOTO", "A", "SCORE", "B", "SCORE", *(("LABEL",) if labelled else ()))
        rows = [
            (
                one.key,
                one.a,
                _score(one.a_score),
                one.b,
                _score(one.b_score),
                *((one.label or "",) if labelled else ()),
            )
            for one in self.disagreements
        ]
        return ["", f"The first {len(rows)} photos that differ:", *aligned(header, rows)]


def _side(side: ScoreReport) -> str:
    asked = f"asked for as {side.requested}; {in_words(side.by_status)}"
    return f"models:/{side.model_name}/{side.model_version}  ({asked})"


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"
