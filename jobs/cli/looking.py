"""The commands that look and change nothing."""

from datetime import datetime
from pathlib import Path

import click

from registry import DeclaredStage, PublicKey, Registry, Stage, declared_in, tenure

from . import auditing, documents
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
@click.option(
    "--public-key",
    "public_keys",
    metavar="FILE",
    multiple=True,
    help="Say of each event whether this key signed it and it is as it was signed, in PEM; repeat for more.",
)
@AS_JSON
def history(name: str, moment: datetime | None, public_keys: tuple[str, ...], as_json: bool) -> None:
    """Show who registered, promoted and rolled back what, when and why."""
    if public_keys and moment is not None:
        raise click.UsageError("--at and --public-key do not go together.")
    if public_keys:
        keys = {PublicKey.read(file): Path(file).name for file in public_keys}
        found = Registry().audit(name, list(keys))
        answer([auditing.document(one) for one in found], auditing.table(found, keys), as_json)
        return
    if moment is None:
        events = Registry().history(name)
        answer([documents.event_document(event) for event in events], documents.events(events), as_json)
    else:
        counted = Registry().counted(name)
        stages: tuple[Stage | DeclaredStage, ...] = (Stage.PRODUCTION, Stage.STAGING, *declared_in(counted))
        stood = [tenure(counted, stage, moment) for stage in stages]
        answer(documents.standing_document(moment, stood), documents.standing(moment, stood), as_json)


COMMANDS = (versions, resolve, history)
