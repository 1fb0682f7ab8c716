"""The commands that look and change nothing."""

import click

from registry import Registry

from .. import tables
from .shared import AS_JSON, NAME, answer


@click.command()
@NAME
@AS_JSON
def versions(name: str, as_json: bool) -> None:
    """List the versions of NAME with stage, aliases and what they were made from."""
    found = Registry().versions(name)
    answer([tables.version_document(version) for version in found], tables.versions(found), as_json)


@click.command()
@click.argument("uri")
@AS_JSON
def resolve(uri: str, as_json: bool) -> None:
    """Say which version URI means now, such as models:/NAME/Production."""
    version = Registry().resolve(uri)
    answer(tables.version_document(version), [version.pinned_uri], as_json)


@click.command()
@NAME
@AS_JSON
def history(name: str, as_json: bool) -> None:
    """Show who registered, promoted and rolled back what, when and why."""
    events = Registry().history(name)
    answer([tables.event_document(event) for event in events], tables.events(events), as_json)
