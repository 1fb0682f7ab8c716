"""The ledger: what happened to a model's versions, kept in the registry itself.

One event is one tag of the registered model. Its key is the event's time and eight random hex digits, so two
writers never meet in one key and no event is ever rewritten; its value is one JSON object. A backup of the
registry is a backup of the ledger, and MLflow's own page shows it.

Events that change where a version stands form a chain: each names the one before it, `registry.chain` lets
only one follow another, and its time is later than that one's whatever the writers' clocks say. The others,
registrations and refusals, stand in the order of their writers' clocks.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from registry import tags
from registry.author import author
from registry.errors import InvalidReason
from registry.versions import Stage

if TYPE_CHECKING:
    from registry.client import Client

# MLflow's SqlRegisteredModelTag.value is String(5000), which PostgreSQL enforces. An event shares it with the
# claim that carries it (`registry.chain`), a reason with the event's other fields.
MAX_REASON_CHARS = 2000
MAX_EVENT_CHARS = 4700
# Who moved a version where the registry does not say so.
OUTSIDE = "outside"
_TIME = "%Y%m%dT%H%M%S%fZ"
_TICK = timedelta(microseconds=1)


class EventKind(StrEnum):
    """What can happen to a version."""

    REGISTERED = "registered"
    PROMOTED = "promoted"
    OVERRIDDEN = "overridden"
    ROLLED_BACK = "rolled_back"
    ARCHIVED = "archived"
    SEEN = "seen"
    REFUSED = "refused"

    @property
    def moves(self) -> bool:
        """Whether a version stands elsewhere afterwards, by us or as we found it."""
        return self not in (EventKind.REGISTERED, EventKind.REFUSED)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: `version` went `from_stage` -> `to_stage`, and `previous` made room for it.

    `parent` is the id of the event that this one follows in the chain of moves, empty at its beginning.
    """

    kind: EventKind
    version: int
    to_stage: Stage
    from_stage: Stage = Stage.NONE
    previous: int | None = None
    because: str = ""
    who: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    event_id: str = ""
    parent: str = ""
    more: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def document(self) -> dict[str, Any]:
        """As the ledger keeps it, but for its id."""
        said = asdict(self) | {"at": self.at.isoformat()}
        del said["event_id"]
        return said

    @classmethod
    def read(cls, event_id: str, said: Mapping[str, Any]) -> Event:
        """What `document` wrote."""
        return cls(
            kind=EventKind(said["kind"]),
            version=said["version"],
            to_stage=Stage(said["to_stage"]),
            from_stage=Stage(said["from_stage"]),
            previous=said["previous"],
            because=said["because"],
            who=said["who"],
            at=datetime.fromisoformat(said["at"]),
            event_id=event_id,
            parent=said.get("parent", ""),
            more=said.get("more", {}),
        )


def composed(event: Event, parent: Event | None = None) -> Event:
    """The event with author and id, after `parent` in time. Raises InvalidReason where it does not fit."""
    at = max(event.at, parent.at + _TICK) if parent else event.at
    event_id = f"{at.astimezone(UTC).strftime(_TIME)}-{secrets.token_hex(4)}"
    made = replace(
        event,
        at=at,
        who=event.who or author(),
        event_id=event_id,
        parent=parent.event_id if parent else "",
    )
    if (length := len(_text(made))) > MAX_EVENT_CHARS:
        raise InvalidReason(
            f"The event takes {length} characters with its reason and the gates' verdicts; "
            f"the ledger keeps {MAX_EVENT_CHARS}.",
            "Give a shorter reason, or ask for fewer gates.",
        )
    return made


def write(client: Client, name: str, event: Event) -> None:
    """Put a composed event into the ledger; a second time changes nothing."""
    client.set_model_tag(name, tags.event(event.event_id), _text(event))


def record(client: Client, name: str, event: Event) -> Event:
    """Append an event that moves nothing; gives it as it was written, with its id and its author."""
    made = composed(event)
    write(client, name, made)
    return made


def events_in(model_tags: Mapping[str, str]) -> list[Event]:
    """The events among a registered model's tags, oldest first."""
    keys = sorted(key for key in model_tags if key.startswith(tags.EVENT))
    return [Event.read(key.removeprefix(tags.EVENT), json.loads(model_tags[key])) for key in keys]


def moves(events: Iterable[Event]) -> list[Event]:
    """The events that changed where a version stands."""
    return [event for event in events if event.kind.moves]


def checked_reason(because: str, *, needed: bool = False) -> str:
    """A reason that fits into an event, checked before anything moves. Raises InvalidReason."""
    if needed and not because.strip():
        raise InvalidReason("What is forced takes a reason.", "Say it with `--because TEXT`.")
    if len(because) > MAX_REASON_CHARS:
        raise InvalidReason(
            f"The reason has {len(because)} characters; the ledger keeps {MAX_REASON_CHARS}.",
            "Say it shorter and link to the rest.",
        )
    return because


def _text(event: Event) -> str:
    return json.dumps(event.document(), ensure_ascii=False, sort_keys=True)
