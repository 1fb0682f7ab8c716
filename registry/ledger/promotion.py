"""Versions from stage to stage, each with its alias and its line in the ledger.

A move is decided when its event follows the ledger's last move, which only one event can (`registry.ledger.chain`).
Only then are alias and stages changed, and looked at until they are as the ledger says (`registry.ledger.repair`).
Whoever finds another move in its place has lost, and moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from registry.errors import InvalidStage, PromotionLost, RegistryFault, RegistryUnreachable
from registry.ledger.chain import Claimant
from registry.ledger.history import Event, checked_reason
from registry.ledger.look import Ledger
from registry.ledger.moves import Move, Promotion
from registry.ledger.planning import Plan, planned, planned_back
from registry.ledger.repair import materialise, reconciled
from registry.trust.statements import Signer
from registry.versions import Place, Stage

if TYPE_CHECKING:
    from registry.client import Client

# A move that another one came before, but that it does not touch, is tried again behind it.
MAX_TRIES = 20


def promote(client: Client, move: Move) -> Promotion:
    """Move a version to a stage, and the alias of the stage's name with it.

    Who stood in Staging or Production before is archived; who is archived loses every stage's alias. Of a declared
    stage only the alias moves: who stood there makes room, and the one that comes stays where else it stands.
    Raises ModelNotFound, VersionNotFound, VersionNotReady, InvalidStage, InvalidReason, ExpectationFailed,
    ProductionLeft, GateRefused or PromotionLost.
    """
    checked_reason(move.because, needed=move.force)
    if move.stage is Stage.NONE:
        raise InvalidStage(
            "A version cannot be moved back to 'None'.", "Move it to Staging, Production or Archived."
        )
    return _carried_out(
        client, move.name, move.stage, lambda ledger: planned(client, move, ledger), move.signer
    )


def rollback(
    client: Client, name: str, stage: Place, because: str = "", signer: Signer | None = None
) -> Promotion:
    """Move the version that stood in a stage before back into it; twice goes back twice.

    Versions that were deleted meanwhile are passed over, and no rollback of Staging takes a version out of
    Production. Raises NothingToRollBack, and what `promote` raises.
    """
    checked_reason(because)
    if stage.alias is None:
        raise InvalidStage(
            f"There is no rollback of {stage.value!r}.",
            "Roll back Staging, Production or a declared stage.",
        )
    return _carried_out(
        client, name, stage, lambda ledger: planned_back(name, stage, because, ledger), signer
    )


def _carried_out(
    client: Client,
    name: str,
    stage: Place,
    look: Callable[[Ledger], Plan | Promotion],
    signer: Signer | None,
) -> Promotion:
    """Decide on a plan, and again on a new one where a move that does not concern it came first."""
    for _ in range(MAX_TRIES):
        plan = look(reconciled(client, name, signer, stage))
        if isinstance(plan, Promotion):
            return plan
        proposal = plan.event()
        try:
            decided = _decided(client, plan, proposal, signer)
        except RegistryUnreachable as fault:
            raise RegistryUnreachable(
                fault.message,
                f"{fault.hint} The move may have been decided: `stagewright history {name}` tells, and the same "
                "command again completes it.",
            ) from fault
        if isinstance(decided, Promotion):
            return decided
        if plan.spoilt_by(decided):
            raise PromotionLost(
                f"Version {plan.version.number} of {name!r} did not get {plan.stage.value}: version "
                f"{decided.version} went to {decided.to_stage.value} at the same moment, moved by "
                f"{decided.who} ({decided.event_id}).",
                f"Look at `stagewright history {name}` before promoting again.",
            )
    raise RegistryFault(f"The versions of {name!r} are moved all the time; nothing was moved.", "Try again.")


def _decided(client: Client, plan: Plan, proposal: Event, signer: Signer | None) -> Promotion | Event:
    """The proposal made true, or the move that came first."""
    name, vouching = plan.version.name, plan.ledger.vouching(signer)
    if vouching:
        vouching.sign(client, name, proposal)
    with Claimant(client, name, proposal.parent, plan.ledger.movers) as claimant:
        event = claimant.decide(proposal)
        if event is not None and event.event_id != proposal.event_id:
            claimant.release()
            if vouching:
                vouching.withdraw(client, name, proposal)
            return event
        ledger = materialise(client, name)
        claimant.release()
    if ledger.altered:
        raise RegistryFault(
            f"The manifest of version {proposal.version} of {name!r} was changed while it was moved; the move is in "
            "the ledger, and not in force.",
            f"Find out who changed it: `stagewright verify models:/{name}/{proposal.version} --public-key FILE`.",
        )
    version = ledger.version(plan.version.number) or plan.version
    previous = ledger.version(proposal.previous)
    return Promotion(version, previous, proposal, plan.verdicts, plan.stage)
