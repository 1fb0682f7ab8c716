"""The page of an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import drawing
from .cards import Card
from .gathering import OK, Photo
from .page import Facts, page, percent


@dataclass(frozen=True, slots=True)
class Matrix:
    """`counts[i][j]`: photos of class `names[i]` that were answered as `names[j]`."""

    names: Sequence[str]
    counts: Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Pair:
    """So many photos of the class `label` were answered as `answered`."""

    label: str
    answered: str
    photos: int


@dataclass(frozen=True, slots=True)
class OfClass:
    """One class: its photos, and how many were answered rightly."""

    label: str
    photos: int
    correct: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Photos of about one confidence: the mean of it and the share that is right, both 0 to 1."""

    confidence: float
    accuracy: float
    photos: int


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a page of an evaluation says. `metrics`: by the names that the run has them by.

    `matrix` None: there are too many classes for one. `pairs`: what is mistaken for what most often, of `all_pairs`.
    `classes`: the least accurate first, of `all_classes`. `mistakes`: the surest wrong answers; `bad`: some of the
    photos without an answer. `pictures`: a `data:` address by a card's path; `no_pictures`: why some have none.
    """

    title: str
    facts: Facts
    metrics: Mapping[str, float]
    by_status: Mapping[str, int]
    matrix: Matrix | None
    pairs: Sequence[Pair]
    all_pairs: int
    classes: Sequence[OfClass]
    all_classes: int
    bins: Sequence[Bin]
    mistakes: Sequence[Card]
    bad: Sequence[Photo]
    pictures: Mapping[str, str]
    no_pictures: str = ""


def evaluation_page(found: Evaluated) -> str:
    """HTML."""
    return page("evaluation.html", _said(found))


def _said(found: Evaluated) -> dict[str, Any]:
    says = _calibration_says(found)
    points = [(each.confidence, each.accuracy) for each in found.bins]
    return {
        "title": found.title,
        "says": _says(found),
        "figures": _figures(found),
        "sections": _sections(found),
        "found": found,
        "reliability_says": says,
        "reliability_chart": drawing.reliability("reliability", f"A line chart. {says}", points),
        "without": sum(found.by_status.values()) - found.by_status.get(OK, 0),
    }


def _says(found: Evaluated) -> str:
    of = found.metrics
    return (
        f"{percent(of['top1'])} of {of['photos']:,.0f} labelled photos were answered rightly; with so many photos that "
        f"is {percent(of['top1_low'])} to {percent(of['top1_high'])} with 95 % confidence."
    )


def _figures(found: Evaluated) -> list[tuple[str, str]]:
    of = found.metrics
    return [
        ("top-1", percent(of["top1"])),
        ("top-5", percent(of["top5"])),
        ("mean of the classes", percent(of["mean_class_accuracy"])),
        ("worst class", percent(of["worst_class_accuracy"])),
        ("calibration error", f"{of['ece']:.3f}"),
        ("photos", f"{of['photos']:,.0f}"),
    ]


def _sections(found: Evaluated) -> list[tuple[str, str]]:
    wanted = [
        ("mistakes", "Worst mistakes", bool(found.mistakes)),
        ("confusion", "What is taken for what", True),
        ("reliability", "Confidence", True),
        ("classes", "Classes", True),
        ("bad", "Without an answer", bool(found.bad)),
        ("ran", "What ran", True),
    ]
    return [(anchor, name) for anchor, name, there in wanted if there]


def _calibration_says(found: Evaluated) -> str:
    gap = found.metrics["mean_confidence"] - _right_of_answered(found)
    how = "surer than it is right" if gap > 0 else "less sure than it is right"
    return (
        f"The expected calibration error is {found.metrics['ece']:.3f}; on average the version is {how}, by "
        f"{percent(abs(gap))}."
    )


def _right_of_answered(found: Evaluated) -> float:
    answered = sum(each.photos for each in found.bins)
    return sum(each.accuracy * each.photos for each in found.bins) / max(1, answered)
