"""The ledger held against keys: which event is as its signer wrote it, and what is missing from the chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from registry import tags
from registry.ledger.history import Event
from registry.ledger.look import Ledger
from registry.ledger.vouching import signed_by, stated_manifest
from registry.trust.signing import FINGERPRINT_SHOWN, PublicKey


class Signature(StrEnum):
    """What is known of an event's signatures."""

    VERIFIES = "verifies"
    UNSIGNED = "not signed"
    UNKNOWN = "signed by another key"
    FORGED = "does not verify"


@dataclass(frozen=True, slots=True)
class Audited:
    """One event, the trusted keys that signed it as it stands there, and what is wrong with it.

    `faults` are the changes that can be seen: its own, of an event before it that is gone, of two that follow one.
    """

    event: Event
    signature: Signature
    keys: tuple[PublicKey, ...] = ()
    faults: tuple[str, ...] = ()


def audit(ledger: Ledger, trusted: Sequence[PublicKey]) -> list[Audited]:
    """Every event of a ledger, oldest first, what was seen from outside and is not written down yet at the end.

    A removed event is seen by the one that follows it, so that of the last ones none is missed.
    """
    moves = [event for event in ledger.events if event.kind.moves]
    known = {event.event_id for event in moves}
    siblings = Counter(event.parent for event in moves if event.parent)
    found = []
    for event in ledger.events:
        signature, keys, faults = _signature(ledger, event, trusted)
        if event.parent and event.parent not in known:
            faults = (*faults, f"the move before it, {event.parent}, is missing")
        if event.kind.moves and siblings[event.parent] > 1:
            faults = (*faults, f"{siblings[event.parent]} moves follow {event.parent}")
        found.append(Audited(event, signature, keys, faults))
    return [*found, *(Audited(event, Signature.UNSIGNED) for event in ledger.outside)]


def _signature(
    ledger: Ledger, event: Event, trusted: Sequence[PublicKey]
) -> tuple[Signature, tuple[PublicKey, ...], tuple[str, ...]]:
    model = ledger.model
    theirs = tags.event_signers(event.event_id, model.tags)
    tried = [key for key in trusted if key.fingerprint in theirs]
    if not theirs:
        return Signature.UNSIGNED, (), ()
    if not tried:
        shown = ", ".join(ascii(fingerprint[:FINGERPRINT_SHOWN])[1:-1] for fingerprint in theirs)
        return Signature.UNKNOWN, (), (f"signed by {shown}, which is none of the keys that were given",)
    good = tuple(key for key in tried if signed_by(model.name, event, model.tags, key))
    bad = tuple(f"the signature by {key.shown} does not verify" for key in tried if key not in good)
    changed = _changed(ledger, event, good, model.tags)
    return (Signature.FORGED if bad or changed else Signature.VERIFIES), good, (*bad, *changed)


def _changed(
    ledger: Ledger, event: Event, keys: Sequence[PublicKey], model_tags: Mapping[str, str]
) -> tuple[str, ...]:
    """Whether the version is another one now than the one that was signed for; one that is gone is not."""
    now = ledger.manifests.get(event.version)
    if now is None:
        return ()
    stated = {stated_manifest(event, model_tags, key) or "" for key in keys}
    return tuple(
        f"it was signed for a version {event.version} with the manifest {manifest[:12] or 'none'}, "
        f"which has {now[:12] or 'none'} now"
        for manifest in sorted(stated - {now})
    )
