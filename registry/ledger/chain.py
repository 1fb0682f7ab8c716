"""Only one move follows another: consensus over a registered model's tags, without transactions.

MLflow offers single writes and reads and nothing that compares and sets. Disk Paxos (E. Gafni, L. Lamport,
"Disk Paxos", Distributed Computing 16, 2003) needs no more than that: each process writes a block of its own,
reads everybody's, and learns from what it reads whether its proposal stands. Here the disk is the registered
model, a block is one tag, the claim, and what is decided is the event that follows a given event. Nothing
depends on a clock, a lease or a process staying alive. docs/decisions/0004 has the failure cases.

A claim is the claimant's own to write. It goes when the event that it is about is in the ledger and the
registry stands as the event says, so a claim that is found tells the next command what there is to finish.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from registry import tags
from registry.errors import RegistryFault
from registry.ledger.history import Event, events_in, write

if TYPE_CHECKING:
    from registry.client import Client

MAX_BALLOTS = 60
BACKOFF_S = 0.05
# A process elsewhere whose claim is this old is taken for gone where nothing but tidiness hangs on it.
STALE_AFTER = timedelta(seconds=60)

# The claimants of this process that are at work.
_SPEAKING: set[str] = set()


@dataclass(frozen=True, slots=True)
class Claim:
    """One process's block: the ballot that it promised to, the last that it accepted, and for which event.

    `parent` is the id of the event that the decided one will follow, empty at the beginning of a ledger.
    """

    parent: str
    process: str
    promised: int = 0
    accepted: int = 0
    event: Event | None = None
    at: datetime = datetime.min
    host: str = ""
    pid: int = 0

    @property
    def ballot(self) -> tuple[int, str]:
        """Ballots of two processes are never equal."""
        return self.promised, self.process

    @property
    def key(self) -> str:
        return tags.claim(self.parent, self.process)

    @property
    def dead(self) -> bool:
        """Whether its process has certainly ended; only this machine's are known."""
        if self.host != socket.gethostname():
            return False
        if self.pid == os.getpid():
            return self.process not in _SPEAKING
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    @property
    def stale(self) -> bool:
        return self.dead or datetime.now(UTC) - self.at > STALE_AFTER

    def value(self) -> str:
        """The tag's value."""
        event = {"id": self.event.event_id, **self.event.document()} if self.event else None
        said = {
            "promised": self.promised,
            "accepted": self.accepted,
            "at": self.at.isoformat(timespec="seconds"),
            "host": self.host,
            "pid": self.pid,
            "event": event,
        }
        return json.dumps(said, ensure_ascii=False)

    @classmethod
    def read(cls, key: str, value: str) -> Claim:
        """What `key` and `value` wrote."""
        parent, process = tags.claimed(key)
        said: dict[str, Any] = json.loads(value)
        event = said["event"]
        return cls(
            parent,
            process,
            said["promised"],
            said["accepted"],
            Event.read(event["id"], event) if event else None,
            datetime.fromisoformat(said["at"]),
            said["host"],
            said["pid"],
        )


def claims_in(model_tags: Mapping[str, str]) -> list[Claim]:
    """The claims among a registered model's tags."""
    return [Claim.read(key, value) for key, value in model_tags.items() if key.startswith(tags.CLAIM)]


def child_of(parent: str, model_tags: Mapping[str, str]) -> Event | None:
    """The move that follows another in the ledger, once it is decided."""
    return next(
        (found for found in events_in(model_tags) if found.kind.moves and found.parent == parent), None
    )


class Claimant:
    """One process's voice in what follows one event, within a `with`; its claim goes with `release`.

    A claim that is left behind tells the next command what there is to finish.
    """

    def __init__(self, client: Client, name: str, parent: str) -> None:
        self._client = client
        self._name = name
        self._highest = 0
        self._claim = Claim(
            parent, secrets.token_hex(8), at=datetime.now(UTC), host=socket.gethostname(), pid=os.getpid()
        )

    def __enter__(self) -> Self:
        _SPEAKING.add(self._claim.process)
        return self

    def __exit__(self, *_: object) -> None:
        _SPEAKING.discard(self._claim.process)

    def hold(self) -> None:
        """Show that this process is about to make the registry stand as the ledger says."""
        self._write(self._claim)

    def release(self) -> None:
        """Take the claim away: nothing hangs on this process any more."""
        self._client.delete_model_tag(self._name, self._claim.key)

    def decide(self, proposal: Event | None) -> Event | None:
        """The event that follows the parent, in the ledger: the proposal, or what others got there first.

        Without a proposal it finishes what others began, and gives None where nobody did. Raises RegistryFault
        where too many propose at once for too long; then nothing was decided by this process. Where a request
        fails the claim stays: it may arrive yet, and a claim that goes before its parent has a follower would let
        others decide without having heard it.
        """
        for ballot in range(1, MAX_BALLOTS + 1):
            done, event = self._vote(proposal)
            if done:
                return event
            time.sleep(random.uniform(0, BACKOFF_S * min(ballot, 10)))
        self.release()
        raise RegistryFault(
            f"Too many moves of {self._name!r} at once: {MAX_BALLOTS} ballots decided nothing.", "Try again."
        )

    def _vote(self, proposal: Event | None) -> tuple[bool, Event | None]:
        """One ballot: whether it came to an end, and with which event."""
        child, others = self._say(replace(self._claim, promised=1 + self._highest))
        if child is not None:
            return True, child
        if others is None:
            return False, None
        accepted = [claim for claim in [*others, self._claim] if claim.accepted]
        last = max(accepted, key=lambda claim: (claim.accepted, claim.process), default=None)
        event = last.event if last else proposal
        if event is None:
            return True, None
        child, others = self._say(replace(self._claim, accepted=self._claim.promised, event=event))
        if child is not None:
            return True, child
        if others is None:
            return False, None
        write(self._client, self._name, event)
        return True, event

    def _say(self, claim: Claim) -> tuple[Event | None, list[Claim] | None]:
        """Write the claim, then read: the decided event if there is one, and the others' claims.

        The claims are None where one of them has promised to a later ballot, so that this one has failed.
        """
        self._write(claim)
        found = self._client.model(self._name).tags
        heard = self._heard(found)
        self._highest = max(self._highest, claim.promised, *(other.promised for other in heard))
        overruled = any(other.ballot > claim.ballot for other in heard)
        return child_of(claim.parent, found), None if overruled else heard

    def _heard(self, model_tags: Mapping[str, str]) -> list[Claim]:
        mine = self._claim
        return [
            claim
            for claim in claims_in(model_tags)
            if claim.parent == mine.parent and claim.process != mine.process
        ]

    def _write(self, claim: Claim) -> None:
        self._claim = claim
        self._client.set_model_tag(self._name, claim.key, claim.value())


@contextmanager
def held(client: Client, name: str, parent: str) -> Iterator[None]:
    """A claim on what is decided already, for as long as this process changes the registry.

    A process that ends in between leaves it, and the next command finishes what it did.
    """
    with Claimant(client, name, parent) as claimant:
        claimant.hold()
        yield
        claimant.release()
