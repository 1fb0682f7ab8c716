"""What an evaluation found, for a person and for `--json`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyfunc_models import Status
from registry import Evidence, Outcome, RunStatus
from registry.showing import table

from ..scoring.report import ScoreReport, in_words
from ..tables import DIGEST_SHOWN

PHOTOS, BY_CLASS, CONFUSIONS = "photos.csv", "by_class.csv", "confusions.csv"
CONFUSION_MATRIX, RELIABILITY = "confusion_matrix.png", "reliability.png"
PAGE = "report.html"
ROWS = "rows.csv"
_FILES = (PHOTOS, BY_CLASS, CONFUSIONS, CONFUSION_MATRIX, RELIABILITY, PAGE)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is said of the figures that there are: `of` which classes, and which `files` the run has."""

    lines: list[str]
    of: str
    files: tuple[str, ...]
    photos: bool = True


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Figures of one version on one data set; `scored` has the counts of the job and the run.

    `worst_class` is the label of the class with the lowest accuracy, `classes` how many classes have photos, and
    `unlabelled` how many photos of the folder the labels do not name.
    """

    scored: ScoreReport
    evidence: Evidence
    classes: int
    worst_class: str
    unlabelled: int = 0

    @property
    def metrics(self) -> Mapping[str, float]:
        """As the run and the version's tags have them."""
        return self.evidence.metrics

    def outcome(self, status: RunStatus = RunStatus.FINISHED) -> Outcome:
        """What the run says in the end."""
        counts = {f"status_{name}": float(count) for name, count in self.scored.by_status.items()}
        own = {"rows": float(self.scored.rows), "seconds": self.scored.seconds, **counts}
        said = {"dataset_digest": self.evidence.dataset_digest, "precision": self.evidence.precision}
        return Outcome(status, metrics={**self.metrics, **own}, tags=said)

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            **self.scored.document(),
            "dataset": self.evidence.dataset,
            "dataset_digest": self.evidence.dataset_digest,
            "precision": self.evidence.precision,
            "metrics": dict(self.metrics),
            "classes": self.classes,
            "worst_class": self.worst_class,
            "unlabelled": self.unlabelled,
        }

    def lines(self) -> list[str]:
        """For a person."""
        scored, said = self.scored, self.evidence
        unlabelled = f", {self.unlabelled:,} others are not labelled" if self.unlabelled else ""
        shown = self._shown()
        what = "photos" if shown.photos else "rows"
        return [
            f"model        models:/{scored.model_name}/{scored.model_version} at {said.precision}  "
            f"(asked for as {scored.requested})",
            f"data set     {said.dataset}, digest {said.dataset_digest[:DIGEST_SHOWN]}  "
            f"({scored.rows:,} {what}{shown.of}{unlabelled})",
            *shown.lines,
            f"rows         {self._rows()}",
            f"speed        {scored.images_per_second:,.1f} {what} a second, {scored.seconds:,.1f} s",
            *([f"left out     {scored.left_out_in_words}"] if scored.left_out_in_words else []),
            f"run          {scored.scoring_run_id}",
            f"files of it  {', '.join(shown.files)}",
            f"Next: stagewright promote {scored.model_name} {scored.model_version} Staging",
        ]

    def _repr_html_(self) -> str:
        """For notebooks: all figures."""
        about = [
            ("data set", f"{self.evidence.dataset}, digest {self.evidence.dataset_digest[:DIGEST_SHOWN]}"),
            ("precision", self.evidence.precision),
            ("worst", self.worst_class),
            ("run", self.scored.scoring_run_id),
        ]
        title = f"models:/{self.scored.model_name}/{self.scored.model_version}, evaluated"
        return table(title, [*about, *self.metrics.items()])

    def _shown(self) -> _Shown:
        """Which figures there are says what was evaluated."""
        of = f" of {self.classes:,} classes"
        if "top1" in self.metrics:
            return _Shown(self._of_classes(), of, _FILES)
        if "f1_micro" in self.metrics:
            return _Shown(self._of_labels(), of, _FILES[:2])
        if "accuracy" in self.metrics:
            return _Shown(self._of_answers(), of, (ROWS,), photos=False)
        return _Shown(self._of_numbers(), "", (ROWS,), photos=False)

    def _of_answers(self) -> list[str]:
        found = self.metrics
        return [
            f"accuracy     {found['accuracy']:.4f}  (95 % interval {found['accuracy_low']:.4f} to "
            f"{found['accuracy_high']:.4f})",
            f"F1           {found['f1_macro']:.4f} macro  (worst: {self.worst_class})",
        ]

    def _of_numbers(self) -> list[str]:
        found = self.metrics
        return [
            f"error        {found['mean_absolute_error']:.6g} mean absolute, {found['root_mean_squared_error']:.6g} "
            "root mean squared",
            f"R2           {found['r2']:.4f}",
        ]

    def _of_classes(self) -> list[str]:
        of = self.metrics
        return [
            f"top-1        {of['top1']:.4f}  (95 % interval {of['top1_low']:.4f} to {of['top1_high']:.4f})",
            f"top-5        {of['top5']:.4f}",
            f"classes      {of['mean_class_accuracy']:.4f} on average, {of['worst_class_accuracy']:.4f} at worst  "
            f"({self.worst_class})",
            f"confidence   {of['mean_confidence']:.4f} on average, expected calibration error {of['ece']:.4f}",
        ]

    def _of_labels(self) -> list[str]:
        of = self.metrics
        return [
            f"F1           {of['f1_micro']:.4f} micro, {of['f1_macro']:.4f} macro  (worst: {self.worst_class})",
            f"labels       {of['precision_micro']:.4f} of those given are right, {of['recall_micro']:.4f} are found",
            f"ranking      mean average precision {of['mean_average_precision']:.4f}",
            f"photos       {of['exact_match']:.4f} with exactly their labels",
            f"threshold    {of['threshold']:g}; micro F1 would be highest, {of['best_f1_micro']:.4f}, from "
            f"{of['best_threshold']:.4g} on",
        ]

    def _rows(self) -> str:
        faults = self.scored.rows - self.scored.by_status.get(Status.OK.value, 0)
        wrong = f"; the {faults:,} without an answer count as wrong" if faults else ""
        return in_words(self.scored.by_status) + wrong
