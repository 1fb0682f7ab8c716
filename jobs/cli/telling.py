"""Hooks: who is told of moves, and the command that tells them what they did not take."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from registry import Delivery, Gates, Hook, Refusal, Registry, RegistryError, UserError

from ..tables import aligned
from . import documents
from .shared import AS_JSON, HOOKS, answer, say


def declared(file: str | None) -> tuple[Hook, ...]:
    """The hooks of --gates, else of gates.toml in the current folder; none without either. Raises UserError."""
    if file is None and not Path(Gates.DEFAULT_FILE).exists():
        return ()
    return Gates.load(file or Gates.DEFAULT_FILE).hooks


@contextmanager
def of_moves(registry: Registry, name: str, hooks: Sequence[Hook]) -> Iterator[None]:
    """Tell hooks of what happens within, also where it is refused; what they do not take changes no exit code."""
    if hooks:
        registry.begin_hooks(name, hooks)
    try:
        yield
    finally:
        if hooks:
            _tell(registry, name, hooks)


def _tell(registry: Registry, name: str, hooks: Sequence[Hook]) -> None:
    try:
        for each in registry.deliver(name, hooks):
            if each.fault:
                say(f"Warning: the hook {each.hook!r} was not told of {_what(each)}: {each.fault}.")
                say(f"Next: stagewright deliver {name}")
    except RegistryError as fault:
        say(f"Warning: the hooks were not told of everything: {fault}")
        say(f"Next: stagewright deliver {name}")


def _what(delivery: Delivery) -> str:
    event = delivery.event
    return f"version {event.version}, {event.kind.value} ({event.event_id})"


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@HOOKS
@AS_JSON
def deliver(names: tuple[str, ...], gates: str | None, as_json: bool) -> None:
    """Tell the hooks of gates.toml what they did not take yet, of each NAME or of all models; 1 if one still fails."""
    hooks = declared(gates)
    if not hooks:
        raise UserError(
            "No hooks are declared.", "Write [[hooks]] into gates.toml, or name it with --gates FILE."
        )
    registry = Registry()
    found = [
        (name, each) for name in names or sorted(registry.names()) for each in registry.deliver(name, hooks)
    ]
    answer([_document(name, each) for name, each in found], _lines(found), as_json)
    if any(each.fault for _, each in found):
        raise Refusal("A hook did not take what it was told.", "The same command tells it again.")


def _document(name: str, delivery: Delivery) -> dict[str, Any]:
    return {
        "model": name,
        "hook": delivery.hook,
        "delivered": not delivery.fault,
        "fault": delivery.fault or None,
        "event": documents.event_document(delivery.event),
    }


def _lines(found: Sequence[tuple[str, Delivery]]) -> list[str]:
    if not found:
        return ["Every hook was told of everything."]
    rows = [
        (
            name,
            each.hook,
            each.event.event_id,
            each.event.kind.value,
            documents.one_line(each.fault) or "delivered",
        )
        for name, each in found
    ]
    return aligned(("MODEL", "HOOK", "EVENT", "WHAT", "OUTCOME"), rows)


COMMANDS = (deliver,)
