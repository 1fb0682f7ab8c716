"""The page of a scoring job."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from . import drawing
from .changes import Changes, Since
from .gathering import BINS, OK, Rows
from .page import Facts, page, percent
from .timing import Times

_LABELS_FIRST, _LABELS_MORE, _REASONS = 20, 180, 12


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """What a page of a scoring job says. `title`: the job in words; `stage`: of the version when it began, if known.

    `planned`: how many rows there will be, where that is known; `finished`: whether all that was planned is there.
    `pictures`: a `data:` address for keys of photos; `no_pictures`: why some have none. `since`: what differs from the
    last job of that stage.
    """

    title: str
    stage: str | None
    facts: Facts
    finished: bool
    planned: int | None
    rows: Rows
    times: Times
    pictures: Mapping[str, str]
    no_pictures: str = ""
    since: Since = field(default_factory=lambda: Since("There is no earlier job to hold this one against."))


def scoring_page(job: ScoringJob) -> str:
    """HTML."""
    return page("scoring.html", _said(job))


def _said(job: ScoringJob) -> dict[str, Any]:
    labels = list(job.rows.by_label.items())
    until = _LABELS_FIRST + _LABELS_MORE
    return {
        "title": job.title,
        "says": _says(job),
        "figures": _figures(job),
        "sections": list(_sections(job)),
        "facts": job.facts,
        "rows": job.rows,
        "predicted": _predicted(job.rows),
        "labels": labels[:_LABELS_FIRST],
        "labels_more": labels[_LABELS_FIRST:until],
        "labels_left": len(labels[until:]),
        "reasons": list(job.rows.reasons.items())[:_REASONS],
        "pictures": job.pictures,
        "no_pictures": job.no_pictures,
        "times": job.times,
        "since": job.since,
        **_charts(job),
    }


def _predicted(rows: Rows) -> int:
    return rows.by_status.get(OK, 0)


def _says(job: ScoringJob) -> str:
    there = f"{job.rows.count:,} photos are scored"
    if job.finished:
        return f"{there}; the job is finished."
    return f"{there}{_of_planned(job)}; the job has not finished: this is what is there now."


def _of_planned(job: ScoringJob) -> str:
    return f" of {job.planned:,}" if job.planned else ""


def _figures(job: ScoringJob) -> list[tuple[str, str]]:
    rows, rate = job.rows, _rate(job.times)
    figures = [
        ("photos", f"{rows.count:,}"),
        ("with a prediction", percent(_predicted(rows) / rows.count) if rows.count else "none yet"),
        ("stage at the time", job.stage or "not known"),
    ]
    if rows.labelled:
        figures.append(("labels", f"{len(rows.by_label):,}"))
    return [*figures, *([("photos a second", f"{rate:,.1f}")] if rate else [])]


def _rate(times: Times) -> float:
    span = sum(command.span_s for command in times.commands)
    return sum(command.rows for command in times.commands) / span if span else 0.0


def _sections(job: ScoringJob) -> "list[tuple[str, str]]":
    rows = job.rows
    wanted = [
        ("sample", "Photos", bool(rows.sampled)),
        ("since", "What changed", True),
        ("labels", "Labels", bool(rows.by_label)),
        ("confidence", "Confidence", bool(rows.by_label)),
        ("least", "Least confident", bool(rows.least_confident)),
        ("statuses", "Statuses", True),
        ("bad", "Without a prediction", bool(rows.bad)),
        ("speed", "Speed", True),
        ("ran", "What ran", True),
    ]
    return [(anchor, name) for anchor, name, there in wanted if there]


def _charts(job: ScoringJob) -> dict[str, Any]:
    rows, points = job.rows, job.times.points
    charts: dict[str, Any] = {}
    if points:
        most = max(rate for _, rate in points)
        says = (
            f"A line chart of photos a second over {points[-1][0]:,.0f} seconds of work; at most {most:,.0f}."
        )
        charts["speed_chart"] = drawing.line("speed", says, points, "photos a second")
    if rows.by_label:
        said = confidence_says(rows.confidence)
        charts["confidence_says"] = said
        series = {"photos": rows.confidence}
        charts["confidence_chart"] = drawing.bars("confidence", f"A histogram. {said}", bin_names(), series)
    charts["since_chart"] = _since_chart(job.since.changes)
    return charts


def _since_chart(found: Changes | None) -> Markup | None:
    if found is None or found.scores is None:
        return None
    now, before = ([100 * share for share in shares] for shares in found.confidence)
    series = {"now, % of labels": now, "the last job": before}
    return drawing.bars("since", f"Two histograms of confidence. {found.says[1]}", bin_names(), series)


def bin_names() -> list[str]:
    """Of the bins of confidence: where each begins."""
    return [f"{i / BINS:.2f}".rstrip("0").rstrip(".") for i in range(BINS)]


def confidence_says(confidence: tuple[int, ...]) -> str:
    """The histogram in words."""
    total = max(1, sum(confidence))
    high, low = sum(confidence[BINS * 9 // 10 :]), sum(confidence[: BINS // 2])
    return f"{percent(high / total)} of the labels have a score of 0.9 or more, {percent(low / total)} one below 0.5."
