"""The commands that look and change nothing."""

from datetime import datetime

import click

from registry import Registry, Stage, tenure

from . import documents
from .shared import AS_JSON, NAME, Moment, answer


@click.command()
@NAME
@AS_JSON
def versions(name: str, as_json: bool) -> None:
    """List the versions of NAME with stage, aliases and what they were made from."""
    found = Registry().versions(name)
    answer([documents.version_document(version) for version in found], documents.versions(found), as_json)


@click.command()
@click.argument("uri")
@AS_JSON
def resolve(uri: str, as_json: bool) -> None:
    """Say which version URI means now, such as models:/NAME/Production."""
    version = Registry().resolve(uri)
    answer(documents.version_document(version), [version.pinned_uri], as_json)


@click.command()
@NAME
@click.option(
    "--at",
    "moment",
    type=Moment(),
    metavar="TIMESTAMP",
    help="Which version stood where then, such as 2026-11-24T09:30 (UTC, or with an offset).",
)
@AS_JSON
def history(name: str, moment: datetime | None, as_json: bool) -> None:
    """Show who registered, promoted and rolled back what, when and why."""
    events = Registry().history(name)
    if moment is None:
        answer([documents.event_document(event) for event in events], documents.events(events), as_json)
    else:
        found = [tenure(events, stage, moment) for stage in (Stage.PRODUCTION, Stage.STAGING)]
        answer(documents.standing_document(moment, found), documents.standing(moment, found), as_json)


COMMANDS = (versions, resolve, history)
