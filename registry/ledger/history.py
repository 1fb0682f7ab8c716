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
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from registry import tag_values, tags
from registry.author import author
from registry.errors import InvalidReason, InvalidStage
from registry.tag_values import Malformed
from registry.verdicts import Verdict
from registry.versions import Place, Stage, place

if TYPE_CHECKING:
    from registry.client import Client

# MLflow's SqlRegisteredModelTag.value is String(5000), which PostgreSQL enforces. An event shares it with the
# claim that carries it (`registry.chain`), a reason with the event's other fields.
MAX_REASON_CHARS = 2000
MAX_EVENT_CHARS = 4700
# What an event of an alias that was moved outside says more.
ALIAS, POINTS_TO, POINTED_TO = "alias", "points_to", "pointed_to"
# Who moved a version where the registry does not say so.
OUTSIDE = "outside"
_TIME = "%Y%m%dT%H%M%S%fZ"
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
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

    `parent` is the id of the event that this one follows in the chain of moves, empty at its beginning. Who comes to
    a declared stage leaves none, so that `from_stage` is None then.
    """

    kind: EventKind
    version: int
    to_stage: Place
    from_stage: Place = Stage.NONE
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
        """What `document` wrote. Raises Malformed on anything else."""
        parent = tag_values.text_of(said, "parent") if "parent" in said else ""
        if not _ID.fullmatch(event_id) or (parent and not _ID.fullmatch(parent)):
            raise Malformed(
                f"there is no event {tag_values.shown(event_id)} after {tag_values.shown(parent)}"
            )
        return cls(
            kind=_word(EventKind, said, "kind"),
            version=tag_values.whole_of(said, "version"),
            to_stage=_place(said, "to_stage"),
            from_stage=_place(said, "from_stage"),
            previous=tag_values.whole_or_none_of(said, "previous"),
            because=tag_values.text_of(said, "because"),
            who=tag_values.text_of(said, "who"),
            at=tag_values.moment_of(said, "at"),
            event_id=event_id,
            parent=parent,
            more=_more(said.get("more", {})),
        )


Word = TypeVar("Word", bound=StrEnum)


def _word(words: type[Word], said: Mapping[str, Any], key: str) -> Word:
    found = tag_values.text_of(said, key)
    try:
        return words(found)
    except ValueError:
        raise Malformed(f"{key!r} is none of {', '.join(words)}: {tag_values.shown(found)}") from None


def _place(said: Mapping[str, Any], key: str) -> Place:
    found = tag_values.text_of(said, key)
    try:
        return place(found)
    except InvalidStage:
        raise Malformed(f"{key!r} is no stage: {tag_values.shown(found)}") from None


def _more(said: Any) -> Mapping[str, Any]:
    """What an event says besides, whose known parts are as we write them."""
    if not isinstance(said, dict):
        raise Malformed(f"'more' is no object: {tag_values.shown(said)}")
    gates = said.get("gates", [])
    if not isinstance(gates, list) or not all(isinstance(gate, dict) for gate in gates):
        raise Malformed(f"'gates' is no list of verdicts: {tag_values.shown(gates)}")
    for gate in gates:
        Verdict.read(gate)
    if ALIAS in said:
        tag_values.text_of(said, ALIAS)
        for where in (POINTS_TO, POINTED_TO):
            tag_values.whole_or_none_of(said, where)
    return said


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
    if (length := len(text_of(made))) > MAX_EVENT_CHARS:
        raise InvalidReason(
            f"The event takes {length} characters with its reason and the gates' verdicts; "
            f"the ledger keeps {MAX_EVENT_CHARS}.",
            "Give a shorter reason, or ask for fewer gates.",
        )
    return made


def write(client: Client, name: str, event: Event) -> None:
    """Put a composed event into the ledger; a second time changes nothing."""
    client.set_model_tag(name, tags.event(event.event_id), text_of(event))


def record(client: Client, name: str, event: Event) -> Event:
    """Append an event that moves nothing; gives it as it was written, with its id and its author."""
    made = composed(event)
    write(client, name, made)
    return made


def events_in(model_tags: Mapping[str, str]) -> list[Event]:
    """The events among a registered model's tags, oldest first.

    One that cannot be read is passed over with a line that names its tag: it is as good as none, and whoever could
    write it could have deleted another.
    """
    keys = sorted(key for key in model_tags if key.startswith(tags.EVENT))
    found = []
    for key in keys:
        try:
            found.append(Event.read(key.removeprefix(tags.EVENT), tag_values.document(model_tags[key])))
        except Malformed as why:
            tag_values.skipped(key, why)
    return found


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


def text_of(event: Event) -> str:
    """An event as its tag keeps it."""
    return json.dumps(event.document(), ensure_ascii=False, sort_keys=True)
