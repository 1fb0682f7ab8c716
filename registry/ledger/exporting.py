"""A model's history as a file, and another registry's history beside a model's own.

What is imported is kept under tags of its own, which nothing that moves a version reads: it tells what happened
elsewhere, and can say nothing of where a version stands here. Version numbers in it are the other registry's.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry import tag_values, tags
from registry.author import author
from registry.connection import without_user
from registry.errors import UserError
from registry.ledger.history import Event, text_of
from registry.ledger.look import Ledger
from registry.tag_values import Malformed

if TYPE_CHECKING:
    from registry.client import Client

FORMAT = "stagewright-history-1"
# MLflow's SqlRegisteredModelTag.value is String(5000), which PostgreSQL enforces.
MAX_ORIGIN_CHARS = 4900


@dataclass(frozen=True, slots=True)
class Origin:
    """Where events come from, and who brought them when; the registry is named without user and password."""

    registry: str
    model: str
    by: str
    at: datetime

    @property
    def key(self) -> str:
        """The same for every import of one model's history."""
        return hashlib.sha256(f"{self.registry}\n{self.model}".encode()).hexdigest()[:16]

    def document(self) -> dict[str, str]:
        return {"registry": self.registry, "model": self.model, "by": self.by, "at": self.at.isoformat()}

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Origin:
        """What `document` wrote. Raises Malformed."""
        registry, model, by = (tag_values.text_of(said, key) for key in ("registry", "model", "by"))
        return cls(registry, model, by, tag_values.moment_of(said, "at"))


@dataclass(frozen=True, slots=True)
class Imported:
    """One event of another registry."""

    event: Event
    origin: Origin


def document(ledger: Ledger, registry: str) -> dict[str, Any]:
    """The moves that count, registrations and refusals, with their signatures. Raises UserError on a broken chain."""
    events, model = ledger.counted, ledger.model
    _check_chain(events, f"The history of {model.name!r}")
    return {
        "format": FORMAT,
        **Origin(without_user(registry), model.name, author(), datetime.now(UTC)).document(),
        "events": [
            {"id": event.event_id, **event.document(), "signatures": _signatures(event, model.tags)}
            for event in events
        ],
    }


def load(file: Path) -> tuple[Origin, list[Event]]:
    """What `document` made, whole, with its chain unbroken. Raises UserError."""
    what = f"The history in {str(file)!r}"
    try:
        said = tag_values.document(file.read_text(encoding="utf-8"))
        if said.get("format") != FORMAT:
            raise Malformed(f"its format is {tag_values.shown(said.get('format'))}, not {FORMAT!r}")
        origin, events = Origin.read(said), [Event.read(str(one["id"]), one) for one in said["events"]]
    except OSError as fault:
        raise UserError(f"{str(file)!r} cannot be read: {fault.strerror}.") from None
    except (KeyError, TypeError, ValueError) as fault:
        raise UserError(
            f"{what} cannot be understood: {fault}.",
            "Export it again: `stagewright history NAME --export FILE`.",
        ) from None
    _check_chain(events, what)
    return origin, events


def take_in(client: Client, name: str, origin: Origin, events: Sequence[Event]) -> int:
    """Keep another registry's events beside a model's own; how many were not there yet.

    Raises ModelNotFound, and UserError, before anything is written, where one was imported before and said otherwise.
    """
    brought = Origin(origin.registry, origin.model, author(), datetime.now(UTC))
    origin_text = json.dumps(brought.document(), ensure_ascii=False)
    if len(origin_text) > MAX_ORIGIN_CHARS:
        raise UserError(f"The registry that the history names takes more than {MAX_ORIGIN_CHARS} characters.")
    there = client.model(name).tags
    wanted = {tags.imported_event(origin.key, event.event_id): text_of(event) for event in events}
    for key, text in wanted.items():
        if there.get(key, text) != text:
            raise UserError(
                f"An event was imported to {name!r} before and said otherwise: the tag {key!r}; nothing was written.",
                "Find out which of the two files is true, and delete the tag if it is the new one.",
            )
    new = {key: text for key, text in wanted.items() if key not in there}
    if tags.imported(origin.key) not in there:
        client.set_model_tag(name, tags.imported(origin.key), origin_text)
    for key, text in new.items():
        client.set_model_tag(name, key, text)
    return len(new)


def imported_in(model_tags: Mapping[str, str]) -> list[Imported]:
    """The events of other registries among a model's tags, each registry's oldest first.

    What cannot be read is passed over with a line that names its tag.
    """
    return [
        Imported(event, origin) for key, origin in _origins(model_tags) for event in _events(key, model_tags)
    ]


def _origins(model_tags: Mapping[str, str]) -> Iterator[tuple[str, Origin]]:
    for tag in sorted(key for key in model_tags if key.startswith(tags.IMPORTED)):
        try:
            yield tag.removeprefix(tags.IMPORTED), Origin.read(tag_values.document(model_tags[tag]))
        except Malformed as why:
            tag_values.skipped(tag, why)


def _events(origin: str, model_tags: Mapping[str, str]) -> Iterator[Event]:
    prefix = tags.imported_event(origin, "")
    for tag in sorted(key for key in model_tags if key.startswith(prefix)):
        try:
            yield Event.read(tag.removeprefix(prefix), tag_values.document(model_tags[tag]))
        except Malformed as why:
            tag_values.skipped(tag, why)


def _signatures(event: Event, model_tags: Mapping[str, str]) -> dict[str, str]:
    signers = tags.event_signers(event.event_id, model_tags)
    return {key: model_tags[tags.event_signature(event.event_id, key)] for key in signers}


def _check_chain(events: Sequence[Event], what: str) -> None:
    """Each move but the first follows one that is there, earlier in time, and only one follows each."""
    by_id = {event.event_id: event for event in events}
    following = Counter(event.parent for event in events if event.kind.moves)
    if len(by_id) != len(events):
        raise UserError(f"{what} has two events of one id.")
    for event in events:
        parent = by_id.get(event.parent)
        if event.parent and (parent is None or not parent.kind.moves):
            raise UserError(
                f"{what} is not whole: {event.event_id} follows {event.parent}, which is missing."
            )
        if parent is not None and parent.at >= event.at:
            raise UserError(f"{what} is out of order: {event.event_id} is not later than the move before it.")
        if event.kind.moves and following[event.parent] > 1:
            raise UserError(f"{what} is no chain: two moves follow {event.parent or 'its beginning'}.")
