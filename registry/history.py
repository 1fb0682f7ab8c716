"""The ledger: what happened to a model's versions, kept in the registry itself.

One event is one tag of the registered model. Its key is the event's time and eight random hex digits, so two
writers never meet in one key and no event is ever rewritten; its value is one JSON object. The order is that
of the writers' clocks. A backup of the registry is a backup of the ledger, and MLflow's own page shows it.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from registry import tags
from registry.errors import InvalidReason
from registry.versions import Stage

if TYPE_CHECKING:
    from registry.client import Client

# MLflow's SqlRegisteredModelTag.value is String(5000), which PostgreSQL enforces; the other fields share it.
MAX_REASON_CHARS = 2000
_TIME = "%Y%m%dT%H%M%S%fZ"


class EventKind(StrEnum):
    """What can happen to a version."""

    REGISTERED = "registered"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    ARCHIVED = "archived"
    REFUSED = "refused"
    OVERRIDDEN = "overridden"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: `version` went `from_stage` -> `to_stage`, and `previous` made room for it."""

    kind: EventKind
    version: int
    to_stage: Stage
    from_stage: Stage = Stage.NONE
    previous: int | None = None
    because: str = ""
    who: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    event_id: str = ""
    more: Mapping[str, Any] = field(default_factory=dict, hash=False)


def record(client: Client, name: str, event: Event) -> Event:
    """Append one event to a model's ledger; gives it as it was written, with its id and its author."""
    event_id = f"{event.at.astimezone(UTC).strftime(_TIME)}-{secrets.token_hex(4)}"
    said = asdict(event) | {"who": event.who or author(), "at": event.at.isoformat()}
    del said["event_id"]
    client.set_model_tag(name, tags.event(event_id), json.dumps(said, ensure_ascii=False, sort_keys=True))
    return _event(event_id, said)


def history(client: Client, name: str) -> list[Event]:
    """A model's ledger, oldest event first. Raises ModelNotFound."""
    found = client.model(name).tags
    keys = sorted(key for key in found if key.startswith(tags.EVENT))
    return [_event(key.removeprefix(tags.EVENT), json.loads(found[key])) for key in keys]


def checked_reason(because: str, *, needed: bool = False) -> str:
    """A reason that fits into an event, checked before anything moves. Raises InvalidReason."""
    if needed and not because.strip():
        raise InvalidReason("Overriding a gate takes a reason.", "Say it with `--because TEXT`.")
    if len(because) > MAX_REASON_CHARS:
        raise InvalidReason(
            f"The reason has {len(because)} characters; the ledger keeps {MAX_REASON_CHARS}.",
            "Say it shorter and link to the rest.",
        )
    return because


def author() -> str:
    """Who acts: MLFLOW_TRACKING_USERNAME, which a server has checked, else the operating system's user."""
    named = os.environ.get("MLFLOW_TRACKING_USERNAME")
    if named:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user id without a name
        return f"uid {os.getuid()}"


def moves(events: Iterable[Event]) -> list[Event]:
    """The events that changed where a version stands."""
    return [event for event in events if event.kind not in (EventKind.REGISTERED, EventKind.REFUSED)]


def before(events: list[Event], stage: Stage, current: int | None) -> list[int]:
    """The versions that stood in a stage before the one that stands there now, the nearest first.

    A rollback takes its steps back, so rolling back twice goes back twice. Who left the stage without a
    successor, by being archived or moved on, is what was there before the empty stage.
    """
    stood: list[int | None] = []
    for event in moves(events):
        if event.to_stage is stage and event.kind is EventKind.ROLLED_BACK:
            _take_back(stood, event.version)
        elif event.to_stage is stage:
            _put(stood, event.previous)
            _put(stood, event.version)
        elif event.from_stage is stage and stage is not Stage.NONE:
            _put(stood, event.version)
            stood.append(None)
    if current != (stood[-1] if stood else None):
        stood.append(current)
    return [number for number in reversed(stood[:-1]) if number is not None and number != current]


def _put(stood: list[int | None], number: int | None) -> None:
    if number is not None and (not stood or stood[-1] != number):
        stood.append(number)


def _take_back(stood: list[int | None], number: int) -> None:
    while stood and stood[-1] != number:
        stood.pop()
    _put(stood, number)


def _event(event_id: str, said: Mapping[str, Any]) -> Event:
    return Event(
        kind=EventKind(said["kind"]),
        version=said["version"],
        to_stage=Stage(said["to_stage"]),
        from_stage=Stage(said["from_stage"]),
        previous=said["previous"],
        because=said["because"],
        who=said["who"],
        at=datetime.fromisoformat(said["at"]),
        event_id=event_id,
        more=said.get("more", {}),
    )
