"""The page of an evaluation, from its run and the table of its photos, as `kept` has it."""

from collections.abc import Iterator

import pandas as pd

from pyfunc_models import Status
from registry import ModelVersion, Registry, Run

from ..reporting.cards import Answer, Card
from ..reporting.evaluation_page import Bin, Evaluated, Matrix, OfClass, Pair, evaluation_page
from ..reporting.gathering import Photo
from ..reporting.page import facts
from ..scoring import ran
from ..scoring.pictured import pictures
from ..scoring.sources import Source
from . import metrics

MOST_CLASSES = 16
"""More columns than this cannot be read on a page; the run has all pairs."""
_PAIRS, _CLASSES, _MISTAKES, _BAD = 30, 30, 24, 24


def made(registry: Registry, run: Run, photos: pd.DataFrame) -> str:
    """HTML. `run` has metrics and tags; `photos` are as `kept.with_labels` gives them."""
    version = registry.model_of(run.run_id)
    source = Source(run.tags["images"], follow_links=False)
    mistakes = list(_mistakes(photos, source.path))
    shown = pictures(source, [card.path for card in mistakes])
    wrong = photos[(photos["status"] == Status.OK.value) & ~photos["correct"]]
    pairs = _pairs(wrong)
    classes = _classes(photos)
    return evaluation_page(
        Evaluated(
            title=f"{version.name} version {version.number} on {run.tags['dataset']}",
            facts=facts(_facts(run, version)),
            metrics=run.metrics,
            by_status={str(name): int(count) for name, count in photos["status"].value_counts().items()},
            matrix=_matrix(photos),
            pairs=pairs[:_PAIRS],
            all_pairs=len(pairs),
            classes=classes[:_CLASSES],
            all_classes=len(classes),
            bins=_bins(photos),
            mistakes=mistakes,
            bad=_bad(photos),
            pictures=shown.by_key,
            no_pictures=shown.missing,
        )
    )


def _facts(run: Run, version: ModelVersion) -> list[ran.Pair]:
    own = ("dataset", "dataset_digest", "precision", "images", "labels")
    return [
        ("model", f"{version.pinned_uri}, asked for as {run.tags['requested']}"),
        *((name.replace("_", " "), run.tags.get(name)) for name in own),
        ("begun", f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC"),
        *ran.of_run(run),
        *ran.of_version(version),
    ]


def _mistakes(photos: pd.DataFrame, folder: str) -> Iterator[Card]:
    """The surest first."""
    wrong = photos[(photos["status"] == Status.OK.value) & ~photos["correct"]]
    for row in wrong.nlargest(_MISTAKES, "score").itertuples():
        answers = [Answer("answered", row.predicted_label, row.score), Answer("labelled", row.label)]
        yield Card(row.file, f"{folder.rstrip('/')}/{row.file}", answers)


def _pairs(wrong: pd.DataFrame) -> list[Pair]:
    by = ["class_index", "predicted_index"]
    counted = wrong.groupby(by).agg(
        label=("label", "first"), answered=("predicted_label", "first"), photos=("label", "size")
    )
    ordered = counted.sort_values("photos", ascending=False, kind="stable")
    return [Pair(row.label, row.answered, int(row.photos)) for row in ordered.itertuples()]


def _classes(photos: pd.DataFrame) -> list[OfClass]:
    by_class = photos.groupby("class_index")
    counted = by_class.agg(label=("label", "first"), photos=("label", "size"), correct=("correct", "sum"))
    ordered = counted.assign(accuracy=counted["correct"] / counted["photos"]).sort_values(
        "accuracy", kind="stable"
    )
    return [OfClass(row.label, int(row.photos), int(row.correct)) for row in ordered.itertuples()]


def _matrix(photos: pd.DataFrame) -> Matrix | None:
    answered = photos[photos["status"] == Status.OK.value]
    names = dict(zip(answered["predicted_index"], answered["predicted_label"], strict=True))
    names |= dict(zip(answered["class_index"], answered["label"], strict=True))
    if len(names) > MOST_CLASSES:
        return None
    order = sorted(names)
    counts = pd.crosstab(answered["class_index"], answered["predicted_index"])
    counts = counts.reindex(index=order, columns=order, fill_value=0)
    return Matrix([names[index] for index in order], counts.to_numpy().tolist())


def _bins(photos: pd.DataFrame) -> list[Bin]:
    found = metrics.calibration_of(photos)
    each = zip(found.confidence.tolist(), found.accuracy.tolist(), found.photos.tolist(), strict=True)
    return [Bin(confidence, accuracy, count) for confidence, accuracy, count in each]


def _bad(photos: pd.DataFrame) -> list[Photo]:
    bad = photos[photos["status"] != Status.OK.value].head(_BAD)
    return [Photo(row.file, row.status, error=row.error or None) for row in bad.itertuples()]
