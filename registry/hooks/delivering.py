"""The outbox: which events hooks were told of, kept beside the ledger, so that whoever comes next goes on.

An event is told once it is in the ledger, and is marked once the hook took it. A command that is killed between leaves
it to the next one: at least once, and sometimes twice, with the same id. A hook is told of nothing that was in the
ledger when it was seen first; that mark is made before the move that it is to be told of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from registry import tag_values, tags
from registry.connection import without_user
from registry.hooks.hook import Hook, Undelivered, message
from registry.ledger.history import Event
from registry.ledger.look import Ledger
from registry.tag_values import Malformed

if TYPE_CHECKING:
    from registry.client import Client

# Clocks of two machines may differ by this much, and an event of the slower one is new all the same.
CLOCKS_DIFFER = timedelta(days=1)
# As many ids as one tag has room for.
MOST_KNOWN = 100


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of telling a hook of one event; `fault` is empty where it took it."""

    hook: str
    event: Event
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Beginning:
    """What a hook is not told of: events before a time, and those of later times that it found."""

    at: datetime
    known: frozenset[str]

    @classmethod
    def now(cls, events: Sequence[Event]) -> _Beginning:
        at = datetime.now(UTC) - CLOCKS_DIFFER
        late = sorted((event for event in events if event.at >= at), key=lambda event: event.at)
        if len(late) > MOST_KNOWN:
            at = late[-MOST_KNOWN].at
        return cls(at, frozenset(event.event_id for event in late if event.at >= at))

    @classmethod
    def read(cls, text: str) -> _Beginning:
        """What `written` wrote. Raises Malformed."""
        said = tag_values.document(text)
        known = said.get("known")
        if not isinstance(known, list):
            raise Malformed("'known' is no list")
        return cls(tag_values.moment_of(said, "at"), frozenset(map(str, known)))

    def written(self) -> str:
        return json.dumps({"at": self.at.isoformat(), "known": sorted(self.known)})

    def precedes(self, event: Event) -> bool:
        return event.at >= self.at and event.event_id not in self.known


def begin(client: Client, name: str, hooks: Sequence[Hook]) -> None:
    """Before a move: mark where hooks begin that this model has not seen yet."""
    there = client.model(name).tags
    unseen = [hook for hook in hooks if tags.hook(hook.name) not in there]
    if not unseen:
        return
    beginning = _Beginning.now(Ledger.shown(client, name).counted)
    for hook in unseen:
        client.set_model_tag(name, tags.hook(hook.name), beginning.written())


def deliver(client: Client, name: str, hooks: Sequence[Hook]) -> Iterator[Delivery]:
    """Tell each hook of what it was not told yet, oldest first; what it does not take stays for the next time.

    After a fault the hook is told of nothing more, so that it hears of events in their order.
    """
    begin(client, name, hooks)
    ledger = Ledger.shown(client, name)
    registry = without_user(str(client.address))
    for hook in hooks:
        for event in _waiting(hook, ledger.counted, ledger.model.tags):
            fault = _told(hook, name, registry, event)
            if not fault:
                client.set_model_tag(name, tags.delivered(hook.name, event.event_id), _now())
            yield Delivery(hook.name, event, fault)
            if fault:
                break


def _waiting(hook: Hook, events: Sequence[Event], model_tags: Mapping[str, str]) -> list[Event]:
    key = tags.hook(hook.name)
    try:
        beginning = _Beginning.read(model_tags[key])
    except Malformed as why:
        tag_values.skipped(key, why)
        return []
    return [
        event
        for event in events
        if hook.wants(event)
        and beginning.precedes(event)
        and tags.delivered(hook.name, event.event_id) not in model_tags
    ]


def _told(hook: Hook, name: str, registry: str, event: Event) -> str:
    try:
        hook.target.send(message(name, registry, event))
    except Undelivered as fault:
        return str(fault)
    return ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
