"""What a hook is: a name, the events that it is told of, and where to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from registry.ledger.history import Event, EventKind


@dataclass(frozen=True, slots=True)
class Message:
    """One event as a hook is told of it, the same at each attempt: `message_id` tells a repetition."""

    message_id: str
    document: Mapping[str, Any]


class Undelivered(Exception):
    """A hook did not take a message; the text says why, in a few words and without a secret."""


class Target(Protocol):
    """Where messages go."""

    def send(self, message: Message) -> None:
        """Once it returns, the message was taken. Raises Undelivered."""


@dataclass(frozen=True, slots=True)
class Hook:
    """Whoever is told of events of these kinds; of moves to `stages` only, where any are named."""

    name: str
    on: frozenset[EventKind]
    stages: frozenset[str]
    target: Target

    def wants(self, event: Event) -> bool:
        return event.kind in self.on and (not self.stages or event.to_stage.value in self.stages)


def message(model: str, registry: str, event: Event) -> Message:
    """As in Standard Webhooks 1.0.0: type, timestamp and data; `registry` is an address that may be shown."""
    said = {"id": event.event_id, **event.document()}
    return Message(
        event.event_id,
        {
            "type": f"version.{event.kind.value}",
            "timestamp": event.at.isoformat(),
            "data": {"registry": registry, "model": model, "event": said},
        },
    )
