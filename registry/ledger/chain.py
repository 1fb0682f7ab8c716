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

import os
import random
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from registry import tags
from registry.errors import RegistryFault
from registry.ledger.claims import MAX_BALLOT, SPEAKING, Claim, claims_in
from registry.ledger.history import Event, events_in, write
from registry.ledger.vouching import Movers

if TYPE_CHECKING:
    from registry.client import Client

MAX_BALLOTS = 60
BACKOFF_S = 0.05


def child_of(parent: str, model_tags: Mapping[str, str], movers: Movers | None = None) -> Event | None:
    """The move that follows another in the ledger, once it is decided; of those that count to `movers`."""
    following = (found for found in events_in(model_tags) if found.kind.moves and found.parent == parent)
    return next((found for found in following if movers is None or movers.count(found, model_tags)), None)


class Claimant:
    """One process's voice in what follows one event, within a `with`; its claim goes with `release`.

    A claim that is left behind tells the next command what there is to finish.
    """

    def __init__(self, client: Client, name: str, parent: str, movers: Movers | None = None) -> None:
        self._client = client
        self._name = name
        self._movers = movers
        self._highest = 0
        self._claim = Claim(
            parent, secrets.token_hex(8), at=datetime.now(UTC), host=socket.gethostname(), pid=os.getpid()
        )

    def __enter__(self) -> Self:
        SPEAKING.add(self._claim.process)
        return self

    def __exit__(self, *_: object) -> None:
        SPEAKING.discard(self._claim.process)

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
        if self._highest >= MAX_BALLOT:
            raise RegistryFault(
                f"A claim on a move of {self._name!r} has ballot {self._highest}, which no process of ours gets to.",
                f"Delete the tags {tags.claim(self._claim.parent, '')}… of the model in MLflow, and try again.",
            )
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
        return child_of(claim.parent, found, self._movers), None if overruled else heard

    def _heard(self, model_tags: Mapping[str, str]) -> list[Claim]:
        mine = self._claim
        return [
            claim
            for claim in claims_in(model_tags, self._movers)
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
