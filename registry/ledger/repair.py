"""What brings ledger and registry together: the ledger is right about what we did, the registry about the rest.

A move is decided when its event is in the ledger, and made true afterwards: alias, stage, then those that make
room. Whoever ends in between leaves a claim, by which the next command that moves a version knows that the registry
is behind the ledger, and finishes. Where no claim is left, a difference between the two was made by somebody else,
and the next move takes it over as seen from outside. Who only looks changes nothing: `registry.ledger.look`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from registry import tag_values, tags
from registry.errors import NotFound, RegistryFault, StagesRefused
from registry.ledger.chain import Claimant, held
from registry.ledger.claims import Claim
from registry.ledger.history import Event, EventKind, composed
from registry.ledger.look import Ledger, begun_moves, steps, told
from registry.trust.statements import Signer
from registry.versions import ModelVersion, Place, Stage

if TYPE_CHECKING:
    from registry.client import Client

# Another process may come between every look and every step; each round is one look and the steps it asks for.
MAX_ROUNDS = 20
_LOG = logging.getLogger(__name__)


def reconciled(client: Client, name: str, signer: Signer | None = None, asked: Place = Stage.NONE) -> Ledger:
    """The ledger after finishing what others began and taking over what was changed outside; for who moves.

    `asked` is the stage that is moved to, whose alias may have been set outside before it was a stage.
    What is taken over is signed, where there is a `signer`. Raises ModelNotFound, PolicyRefused where a policy wants
    moves to be signed by others, and RegistryFault where others change it all the time.
    """
    for _ in range(MAX_ROUNDS):
        ledger = Ledger.read(client, name, asked)
        ledger.movers.check(signer)
        if ledger.passed_over:
            tag_values.warn(ledger.passed_over)
        for event in begun_moves(ledger):
            tag_values.warn(f"Completes a move of {name!r} that was begun: {told(event)}.")
        begun = [claim for claim in ledger.claims if claim.parent == ledger.head_id]
        decided = [claim for claim in ledger.claims if claim.parent != ledger.head_id]
        if any(claim.accepted for claim in begun):
            with Claimant(client, name, ledger.head_id, ledger.movers) as claimant:
                claimant.decide(None)
                claimant.release()
        elif decided:
            ledger = _complete(client, name, decided, asked)
            if not all(claim.stale for claim in decided):
                # Somebody is still at it, and looks once more before letting go: the ledger knows best.
                return ledger
        elif ledger.outside:
            _take_over(client, name, ledger, signer)
        else:
            # Claims on what is not decided yet stay, whoever made them: see `Claimant.decide`.
            return ledger
    raise RegistryFault(
        f"The versions of {name!r} are moved faster than this command can follow.", "Try again."
    )


def materialise(client: Client, name: str) -> Ledger:
    """Make the registry stand as the ledger says, and look again until it does.

    The caller holds a claim. Each look ends with the ledger, so whoever writes last sees the last move.
    Raises RegistryFault where somebody else keeps changing it.
    """
    for _ in range(MAX_ROUNDS):
        ledger = Ledger.read(client, name)
        if ledger.head is None or ledger.head.kind is EventKind.SEEN:
            return ledger
        if ledger.altered:
            tag_values.warn(
                f"The last move of {name!r} was signed for other bytes than version {ledger.head.version} has now; "
                "it is not made true."
            )
            return ledger
        todo = list(steps(ledger))
        if not todo:
            return ledger
        for version, change in todo:
            # Somebody may delete a version at any time; the next look sees that it is gone.
            with suppress(NotFound):
                _apply(client, name, version, change)
    raise RegistryFault(
        f"Somebody else keeps moving the versions of {name!r}; the ledger's last move is not in force.",
        f"Look at `stagewright history {name}`, and see who uses MLflow's own calls.",
    )


def _apply(client: Client, name: str, version: ModelVersion | None, change: Stage | str) -> None:
    if isinstance(change, Stage):
        if version is not None:
            _set_stage(client, version, change)
    elif version is None:
        client.delete_alias(name, change)
    else:
        client.set_alias(version, change)


def _set_stage(client: Client, version: ModelVersion, stage: Stage) -> None:
    try:
        client.set_stage(version, stage)
    except StagesRefused as refused:
        # Told once and remembered in the registry: from here on the aliases alone say where versions stand.
        _LOG.warning("%s %s", refused.message, refused.hint)
        client.set_model_tag(version.name, tags.WITHOUT_STAGES, refused.message)


def _complete(client: Client, name: str, decided: Sequence[Claim], asked: Place) -> Ledger:
    """Make the last move true, and clear away the claims of those who are gone."""
    with held(client, name, decided[0].parent):
        ledger = replace(materialise(client, name), asked=asked)
        _forget(client, name, [claim for claim in decided if claim.stale])
    return ledger


def _take_over(client: Client, name: str, ledger: Ledger, signer: Signer | None) -> None:
    """Append what was changed outside, after a second look: the first may lie on both sides of a move."""
    again = Ledger.read(client, name, ledger.asked)
    if again.head_id != ledger.head_id or again.observed != ledger.observed:
        return
    parent = again.head
    for change in again.outside:
        event = composed(change, parent)
        if not _appended(client, ledger, event, signer):
            return
        parent = event


def _appended(client: Client, ledger: Ledger, event: Event, signer: Signer | None) -> bool:
    """Whether an event that moves nothing any more was the next; signed by `signer`, where there is one."""
    name, vouching = ledger.model.name, ledger.vouching(signer)
    if vouching:
        vouching.sign(client, name, event)
    with Claimant(client, name, event.parent, ledger.movers) as claimant:
        written = claimant.decide(event)
        claimant.release()
    if written is not None and written.event_id == event.event_id:
        return True
    if vouching:
        vouching.withdraw(client, name, event)
    return False


def _forget(client: Client, name: str, claims: Sequence[Claim]) -> None:
    for claim in claims:
        client.delete_model_tag(name, claim.key)
