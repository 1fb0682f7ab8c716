"""The commands that look and change nothing."""

import json
from datetime import datetime
from pathlib import Path

import click

from registry import DeclaredStage, PublicKey, Registry, Stage, UserError, declared_in, tenure

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
@click.option("--export", "export", metavar="FILE", help="Write it to a new file, for --import elsewhere.")
@click.option(
    "--import",
    "import_",
    metavar="FILE",
    help="Keep an exported history beside this model's own; it says nothing of where versions stand here.",
)
@AS_JSON
def history(
    name: str,
    moment: datetime | None,
    public_keys: tuple[str, ...],
    export: str | None,
    import_: str | None,
    as_json: bool,
) -> None:
    """Show who registered, promoted and rolled back what, when and why."""
    if (export or import_) and sum(map(bool, (moment, public_keys, export, import_))) > 1:
        raise click.UsageError("--export and --import each go alone.")
    if export:
        _export(name, Path(export), as_json)
        return
    if import_:
        new = Registry().import_history(name, import_)
        line = f"{new} events were imported to {name}." if new else "All of it was imported before."
        answer({"name": name, "imported": new}, [line], as_json)
        return
    if public_keys and moment is not None:
        raise click.UsageError("--at and --public-key do not go together.")
    if public_keys:
        keys = {PublicKey.read(file): Path(file).name for file in public_keys}
        found = Registry().audit(name, list(keys))
        answer([auditing.document(one) for one in found], auditing.table(found, keys), as_json)
        return
    if moment is None:
        registry = Registry()
        events, imported = registry.history(name), registry.imported(name)
        said = [*map(documents.imported_document, imported), *map(documents.event_document, events)]
        answer(said, [*documents.imported(imported), *documents.events(events)], as_json)
    else:
        counted = Registry().counted(name)
        stages: tuple[Stage | DeclaredStage, ...] = (Stage.PRODUCTION, Stage.STAGING, *declared_in(counted))
        stood = [tenure(counted, stage, moment) for stage in stages]
        answer(documents.standing_document(moment, stood), documents.standing(moment, stood), as_json)


def _export(name: str, file: Path, as_json: bool) -> None:
    """Into a file that is not there yet. Raises UserError."""
    said = Registry().exported(name)
    try:
        with file.open("x", encoding="utf-8") as out:
            json.dump(said, out, indent=1, ensure_ascii=False)
    except FileExistsError:
        raise UserError(f"{str(file)!r} is there already.", "Name a new file.") from None
    except OSError as fault:
        raise UserError(f"{str(file)!r} cannot be written: {fault.strerror}.") from None
    count = len(said["events"])
    answer({"name": name, "file": str(file), "events": count}, [f"{count} events are in {file}."], as_json)


COMMANDS = (versions, resolve, history)
