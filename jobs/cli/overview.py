"""The commands that show how things stand, and how two versions differ; they change nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from registry import Place, Registry, Run, Stage, Tenure, declared_in, tenure

from ..tables import aligned
from . import documents
from .shared import AS_JSON, answer

LAST_MOVES, LAST_JOBS = 5, 5


@click.command()
@click.argument("name", required=False)
@AS_JSON
def status(name: str | None, as_json: bool) -> None:
    """Show how NAME stands, or each model: stages, last moves, last jobs."""
    registry = Registry()
    names = [name] if name is not None else sorted(registry.names())
    found = [_Model(registry, each) for each in names]
    lines = [line for model in found for line in model.lines()] or ["No model is registered here."]
    answer([model.document() for model in found], lines, as_json)


@click.command()
@click.argument("first", metavar="URI")
@click.argument("second", metavar="URI")
@click.option(
    "--tags-only", is_flag=True, help="Fetch nothing: not which labels or fields of Preprocess differ."
)
@AS_JSON
def diff(first: str, second: str, tags_only: bool, as_json: bool) -> None:
    """Say in what two versions differ: weights, labels, preprocessing, tags, evidence."""
    from .. import differing

    registry = Registry()
    versions = registry.resolve(first), registry.resolve(second)
    found = differing.of(registry, *versions, fetch=not tags_only)
    answer(
        {
            "first": versions[0].pinned_uri,
            "second": versions[1].pinned_uri,
            "differs": [each.document() for each in found],
        },
        _differences([version.pinned_uri for version in versions], found),
        as_json,
    )


class _Model:
    """What is known of one model at this moment."""

    def __init__(self, registry: Registry, name: str) -> None:
        self.name = name
        self._versions = registry.versions(name)
        self._events = registry.history(name)
        counted = registry.counted(name)
        self._stands = [tenure(counted, stage, datetime.now(UTC)) for stage in _stages(registry, name)]
        self._jobs = registry.last_jobs(name, LAST_JOBS)

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "name": self.name,
            "versions": len(self._versions),
            "newest": max((each.number for each in self._versions), default=None),
            "stages": {each.stage.value: _tenure(each) for each in self._stands},
            "moves": [documents.event_document(each) for each in self._events[-LAST_MOVES:]],
            "jobs": [_job(each) for each in self._jobs],
        }

    def lines(self) -> list[str]:
        """For a person."""
        newest = max((each.number for each in self._versions), default=None)
        count = len(self._versions)
        title = f"{self.name}: {count} version{'' if count == 1 else 's'}" + (
            f", the newest is {newest}" if newest else ""
        )
        stands = [documents.tenure_row(each) for each in self._stands]
        lines = [title, "", *aligned(documents.TENURE_HEADER, stands), ""]
        lines += ["Last moves:", *documents.events(self._events[-LAST_MOVES:]), ""]
        return [*lines, *_jobs(self._jobs), ""]


def _stages(registry: Registry, name: str) -> list[Place]:
    return [Stage.PRODUCTION, Stage.STAGING, *declared_in(registry.counted(name))]


def _tenure(found: Tenure) -> dict[str, Any]:
    since = found.since
    return {
        "version": found.version,
        "since": since.at.isoformat() if since else None,
        "by": since.who if since else None,
        "because": since.because if since else None,
    }


def _job(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "name": run.name,
        "status": run.status.value,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "metrics": dict(run.metrics),
    }


def _jobs(runs: Sequence[Run]) -> list[str]:
    if not runs:
        return ["No job has used it."]
    rows = [
        (
            f"{run.started_at:%Y-%m-%d %H:%M:%S}",
            documents.one_line(run.name),
            run.status.value,
            _whole(run.metrics.get("rows")),
            _percent(run.metrics.get("error_rate")),
            run.run_id,
        )
        for run in runs
    ]
    return ["Last jobs:", *aligned(("BEGUN (UTC)", "JOB", "STATE", "ROWS", "BAD", "RUN"), rows)]


def _whole(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:,.0f}"


def _percent(figure: float | None) -> str:
    return "-" if figure is None else f"{100 * figure:.2f} %"


def _differences(uris: Sequence[str], found: Sequence[Any]) -> list[str]:
    if not found:
        return [f"{uris[0]} and {uris[1]} differ in nothing."]
    rows = [[documents.one_line(cell) for cell in (each.part, each.first, each.second)] for each in found]
    return aligned(("DIFFERS", *uris), rows)


COMMANDS = (status, diff)
