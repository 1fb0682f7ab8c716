"""Claims: what one process has promised and accepted about the event that follows another, as one tag of the model."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from registry import tag_values, tags
from registry.ledger.history import Event
from registry.ledger.vouching import Movers
from registry.tag_values import Malformed

# No process that goes by these rules gets there: MAX_BALLOTS each, for one event.
MAX_BALLOT = 10**9
# Linux's largest, and larger than other systems'.
MAX_PID = 2**22
# A process elsewhere whose claim is this old is taken for gone where nothing but tidiness hangs on it.
STALE_AFTER = timedelta(seconds=60)

# The claimants of this process that are at work.
SPEAKING: set[str] = set()


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
            return self.process not in SPEAKING
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
        """What `key` and `value` wrote. Raises Malformed on anything else."""
        parent, process = tags.claimed(key)
        said = tag_values.document(value)
        claim = cls(
            parent,
            process,
            tag_values.whole_of(said, "promised"),
            tag_values.whole_of(said, "accepted"),
            _event(said.get("event")),
            tag_values.moment_of(said, "at"),
            tag_values.text_of(said, "host"),
            tag_values.whole_of(said, "pid"),
        )
        if claim.promised > MAX_BALLOT or claim.accepted > claim.promised or not 0 < claim.pid <= MAX_PID:
            raise Malformed("it has a ballot or a process that there cannot be")
        if bool(claim.accepted) != (claim.event is not None):
            raise Malformed("it has accepted a ballot without an event, or an event in no ballot")
        if claim.event and (claim.event.parent != parent or not claim.event.kind.moves):
            raise Malformed("its event does not follow the one that it is about")
        return claim


def _event(said: object) -> Event | None:
    if said is None:
        return None
    if not isinstance(said, dict):
        raise Malformed(f"'event' is no object: {tag_values.shown(said)}")
    return Event.read(tag_values.text_of(said, "id"), said)


def claims_in(model_tags: Mapping[str, str], movers: Movers | None = None) -> list[Claim]:
    """The claims among a registered model's tags; one whose event does not count to `movers` has accepted none.

    A claim that cannot be read is passed over with a line that names its tag. None that we wrote is like that, so
    nobody who votes goes unheard; a later format of claims takes a prefix of its own.
    """
    found = []
    for key, value in model_tags.items():
        if key.startswith(tags.CLAIM):
            try:
                found.append(Claim.read(key, value))
            except Malformed as why:
                tag_values.skipped(key, why)
    if movers is None or not movers.demanding:
        return found
    return [
        claim
        if claim.event is None or movers.count(claim.event, model_tags)
        else replace(claim, accepted=0, event=None)
        for claim in found
    ]
