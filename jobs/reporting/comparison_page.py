"""The page of a comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import drawing
from .cards import Card
from .page import Facts, page, percent
from .scoring_page import bin_names


@dataclass(frozen=True, slots=True)
class Change:
    """So many photos are `a` for the one version and `b` for the other."""

    a: str
    b: str
    photos: int


@dataclass(frozen=True, slots=True)
class Side:
    """One version. `confidence`: its photos with an answer by the score of their label, in bins from 0 to 1."""

    name: str
    by_status: Mapping[str, int]
    confidence: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """What a page of a comparison says. `metrics`: by the names that the run has them by.

    `cards`: photos that both answer, differently, the surest first; `one_sided`: those that only one has an answer for.
    `changes`: what becomes of which label most often, of `all_changes`. `pictures`: a `data:` address by a card's path;
    `no_pictures`: why some have none.
    """

    title: str
    facts: Facts
    metrics: Mapping[str, float]
    a: Side
    b: Side
    cards: Sequence[Card]
    one_sided: Sequence[Card]
    changes: Sequence[Change]
    all_changes: int
    pictures: Mapping[str, str]
    no_pictures: str = ""

    @property
    def labelled(self) -> bool:
        """Whether it is known which of the two is right."""
        return "top1" in self.metrics


def comparison_page(found: Compared) -> str:
    """HTML."""
    confidence = _confidence_says(found)
    series = {f"a: {found.a.name}": found.a.confidence, f"b: {found.b.name}": found.b.confidence}
    chart = drawing.bars("confidence", f"Two histograms. {confidence}", bin_names(), series)
    statuses = [
        (status, found.a.by_status.get(status, 0), found.b.by_status.get(status, 0))
        for status in sorted(found.a.by_status.keys() | found.b.by_status.keys())
    ]
    said: dict[str, Any] = {
        "title": found.title,
        "says": _says(found),
        "figures": _figures(found),
        "sections": _sections(found),
        "found": found,
        "right_says": _right_says(found),
        "confidence_says": confidence,
        "confidence_chart": chart,
        "statuses": statuses,
    }
    return page("comparison.html", said)


def _says(found: Compared) -> str:
    of = found.metrics
    return (
        f"{found.a.name} (a) and {found.b.name} (b) agree on {percent(of['agreement'])} of {of['photos']:,.0f} photos "
        f"and differ on {of['disagreements']:,.0f}."
    )


def _figures(found: Compared) -> list[tuple[str, str]]:
    of = found.metrics
    figures = [
        ("agreement", percent(of["agreement"])),
        ("photos that differ", f"{of['disagreements']:,.0f}"),
        ("photos", f"{of['photos']:,.0f}"),
        ("confidence of a", f"{of['confidence_a']:.3f}"),
        ("confidence of b", f"{of['confidence_b']:.3f}"),
    ]
    if found.labelled:
        figures[3:] = [("a is right", percent(of["top1_against"])), ("b is right", percent(of["top1"]))]
    return figures


def _sections(found: Compared) -> list[tuple[str, str]]:
    wanted = [
        ("right", "Which is right", found.labelled),
        ("cards", "Where they differ", True),
        ("one", "Only one has an answer", bool(found.one_sided)),
        ("changes", "What becomes of what", bool(found.changes)),
        ("confidence", "Confidence", True),
        ("statuses", "Statuses", True),
        ("ran", "What ran", True),
    ]
    return [(anchor, name) for anchor, name, there in wanted if there]


def _right_says(found: Compared) -> str:
    if not found.labelled:
        return ""
    of = found.metrics
    p = of["mcnemar_p"]
    chance = "may well be chance" if p > 0.05 else "is hardly chance"
    return (
        f"Only a is right on {of['only_a_right']:,.0f} photos, only b on {of['only_b_right']:,.0f}. Such a difference "
        f"{chance}: McNemar's exact test gives p = {p:.3g}."
    )


def _confidence_says(found: Compared) -> str:
    of = found.metrics
    shift = of["confidence_shift"]
    if shift != shift:
        return "There is no photo that both have an answer for."
    how = "surer" if shift > 0 else "less sure"
    return f"On photos that both answer, b is {how} by {abs(shift):.3f} on average."
