"""Who vouches for an event of the ledger, and whose moves count.

A signature of an event is a tag of its own beside the event's, one for each key. What is signed is the event, whole,
with its id and the id of the one that it follows, the model's name and the digest of the version's SHA256SUMS:
neither can it be carried to another model or version, nor can an event before it be exchanged. It is written before
the event is proposed, since whoever completes a move for another has no key of theirs.

Where a policy names the keys that moves must be signed by, an event that none of them signed, and a claim that
proposes one, is as good as not there for everything that moves a version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry import tag_values, tags
from registry.errors import PolicyRefused, UserError
from registry.ledger.history import Event
from registry.trust import policy, statements
from registry.trust.policy import Policy
from registry.trust.signing import PublicKey
from registry.trust.statements import Signer

if TYPE_CHECKING:
    from registry.client import Client, RegisteredModel

MANIFEST = "manifest"
_EVENT = "event"
_SHOWN_MOVES = 3


def statement(name: str, event: Event, manifest: str) -> dict[str, Any]:
    """What a signature of an event is over; `manifest` is empty where the version has none."""
    return {
        statements.KIND: _EVENT,
        "model": name,
        "id": event.event_id,
        MANIFEST: manifest,
        "event": event.document(),
    }


@dataclass(frozen=True, slots=True)
class Vouching:
    """A key to sign events of one model with, and the digests of its versions' manifests."""

    signer: Signer
    manifests: Mapping[int, str]

    def sign(self, client: Client, name: str, event: Event) -> None:
        """Write the signature of an event that is about to be written."""
        manifest = self.manifests.get(event.version, "")
        signature = self.signer.sign(statement(name, event, manifest))
        value = statements.written(signature, manifest=manifest)
        client.set_model_tag(
            name, tags.event_signature(event.event_id, self.signer.public.fingerprint), value
        )

    def withdraw(self, client: Client, name: str, event: Event) -> None:
        """Delete the signature of an event that was not written in the end."""
        client.delete_model_tag(name, tags.event_signature(event.event_id, self.signer.public.fingerprint))


def stated_manifest(event: Event, model_tags: Mapping[str, str], key: PublicKey) -> str | None:
    """The manifest for which a key signed an event; None where there is no such signature."""
    kept = _kept(event, model_tags, key)
    return kept[MANIFEST] if kept else None


def signed_by(name: str, event: Event, model_tags: Mapping[str, str], key: PublicKey) -> bool:
    """Whether a key signed an event of a model as it stands there."""
    kept = _kept(event, model_tags, key)
    return kept is not None and statements.verifies(
        statement(name, event, kept[MANIFEST]), kept[statements.SIGNATURE], key
    )


def _kept(event: Event, model_tags: Mapping[str, str], key: PublicKey) -> dict[str, str] | None:
    """A key's signature of an event, with the manifest that it states."""
    tag = tags.event_signature(event.event_id, key.fingerprint)
    said = statements.read(tag, model_tags[tag]) if tag in model_tags else None
    return said if said and isinstance(said.get(MANIFEST), str) else None


@dataclass(frozen=True, slots=True)
class Movers:
    """Whose moves of a model count: those that a key of each of these policies signed; without one, everybody's."""

    name: str
    demanding: tuple[Policy, ...] = ()

    @classmethod
    def of(cls, model: RegisteredModel) -> Movers:
        """By this machine's policy and the model's. Raises PolicyRefused, UserError where one is not understood."""
        return cls(model.name, policy.demanding_signed_moves(model.name, model.tags))

    @classmethod
    def for_readers(cls, model: RegisteredModel) -> Movers:
        """As `of`; a policy that is not understood is a line, for it stops nobody from looking."""
        try:
            return cls.of(model)
        except (PolicyRefused, UserError) as fault:
            tag_values.warn(str(fault))
            return cls(model.name)

    def count(self, event: Event, model_tags: Mapping[str, str]) -> bool:
        """Whether an event counts; one that moves nothing always does."""
        return not event.kind.moves or all(
            any(signed_by(self.name, event, model_tags, key) for key in demanding.move_keys)
            for demanding in self.demanding
        )

    def manifests(self, event: Event, model_tags: Mapping[str, str]) -> set[str]:
        """The manifests that an event was signed for by keys that are asked for; none where no key is."""
        keys = {key for demanding in self.demanding for key in demanding.move_keys}
        signed = (key for key in keys if signed_by(self.name, event, model_tags, key))
        return {stated_manifest(event, model_tags, key) or "" for key in signed}

    def counted(self, events: Iterable[Event], model_tags: Mapping[str, str]) -> list[Event]:
        """Those that count."""
        return [event for event in events if self.count(event, model_tags)]

    def check(self, signer: Signer | None) -> None:
        """Whether this key may move a version. Raises PolicyRefused."""
        for demanding in self.demanding:
            wanted = " or ".join(key.shown for key in demanding.move_keys)
            if signer is None or signer.public not in demanding.move_keys:
                found = f"{signer.public.shown} is none of them" if signer else "no key was given"
                raise PolicyRefused(
                    f"Moves of {self.name!r} are signed by {wanted}, says {demanding.declared}; {found}.",
                    f"Give it with `--private-key FILE`, or set {statements.KEY_VARIABLE}.",
                )

    def passed_over(self, moves: Iterable[Event]) -> str:
        """A line about moves that do not count; empty where there are none."""
        found = list(moves)
        if not found:
            return ""
        last = ", ".join(
            f"version {event.version} to {event.to_stage.value} by {tag_values.shown(event.who)} ({event.event_id})"
            for event in found[-_SHOWN_MOVES:]
        )
        asked = " and ".join(demanding.declared for demanding in self.demanding)
        return (
            f"{len(found)} moves in the ledger of {self.name!r}, or proposed for it, do not count, since no key of "
            f"{asked} signed them; "
            f"the last: {last}."
        )
