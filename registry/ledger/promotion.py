"""Versions from stage to stage, each with its alias and its line in the ledger.

A move is decided when its event follows the ledger's last move, which only one event can (`registry.ledger.chain`).
Only then are alias and stages changed, and looked at until they are as the ledger says (`registry.ledger.repair`).
Whoever finds another move in its place has lost, and moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol, TypedDict

from registry.errors import (
    ExpectationFailed,
    GateRefused,
    InvalidStage,
    NothingToRollBack,
    ProductionLeft,
    PromotionLost,
    RegistryFault,
    RegistryUnreachable,
    VersionNotReady,
)
from registry.ledger.chain import Claimant
from registry.ledger.history import Event, EventKind, checked_reason, composed, write
from registry.ledger.look import Ledger
from registry.ledger.repair import materialise, reconciled
from registry.ledger.standing import before
from registry.trust.statements import Signer
from registry.verdicts import Verdict
from registry.versions import ModelVersion, Stage

if TYPE_CHECKING:
    from registry.client import Client

# A move that another one came before, but that it does not touch, is tried again behind it.
MAX_TRIES = 20

Expected = int | Literal["none"] | None


class Judge(Protocol):
    """Whatever holds a version against what a stage asks for."""

    def judge(self, candidate: ModelVersion, current: ModelVersion | None) -> Sequence[Verdict]:
        """A verdict for each gate; `current` holds the stage now. No gates: no verdicts."""


class Conditions(TypedDict, total=False):
    """What a promotion may hang on; see `Move`."""

    expect: Expected
    judge: Judge | None
    force: bool
    signer: Signer | None


@dataclass(frozen=True, slots=True)
class Move:
    """A wish: this version into this stage, for this reason, if the stage holds `expect` now.

    `judge` says whether the version has what the stage asks for. `force` overrides it, and takes a version out of
    Production that nobody follows there; it takes a reason. With `signer`, the event is signed.
    """

    name: str
    number: int
    stage: Stage
    because: str = ""
    expect: Expected = None
    judge: Judge | None = None
    force: bool = False
    signer: Signer | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """What a move led to: the version as it stands now, who made room, and the ledger's event.

    `event` is None where the version stood there already, so that nothing was moved.
    """

    version: ModelVersion
    previous: ModelVersion | None
    event: Event | None
    verdicts: Sequence[Verdict] = ()


@dataclass(frozen=True, slots=True)
class _Plan:
    """A move that may be made, judged by one look at the ledger."""

    ledger: Ledger
    version: ModelVersion
    current: ModelVersion | None
    stage: Stage
    kind: EventKind
    because: str
    verdicts: Sequence[Verdict] = field(default=())

    def event(self) -> Event:
        displaced = self.current if self.current != self.version else None
        event = Event(
            kind=self.kind,
            version=self.version.number,
            to_stage=self.stage,
            from_stage=self.ledger.standing.stage_of(self.version.number),
            previous=displaced.number if displaced else None,
            because=self.because,
            more=_said(self.verdicts),
        )
        return composed(event, self.ledger.head)

    def spoilt_by(self, other: Event) -> bool:
        """Whether another move changed what this one was judged by."""
        was, now = self.ledger.standing, self.ledger.standing.after(other)
        if other.kind is EventKind.SEEN or now.stage_of(self.version.number) is self.stage:
            return False
        return was.holder(self.stage) != now.holder(self.stage) or (
            was.stage_of(self.version.number) is not now.stage_of(self.version.number)
        )


def promote(client: Client, move: Move) -> Promotion:
    """Move a version to a stage, and the alias of the stage's name with it.

    Who stood in Staging or Production before is archived; who is archived loses both aliases.
    Raises ModelNotFound, VersionNotFound, VersionNotReady, InvalidStage, InvalidReason, ExpectationFailed,
    ProductionLeft, GateRefused or PromotionLost.
    """
    checked_reason(move.because, needed=move.force)
    if move.stage is Stage.NONE:
        raise InvalidStage(
            "A version cannot be moved back to 'None'.", "Move it to Staging, Production or Archived."
        )
    return _carried_out(client, move.name, lambda ledger: _planned(client, move, ledger), move.signer)


def rollback(
    client: Client, name: str, stage: Stage, because: str = "", signer: Signer | None = None
) -> Promotion:
    """Move the version that stood in a stage before back into it; twice goes back twice.

    Versions that were deleted meanwhile are passed over, and no rollback of Staging takes a version out of
    Production. Raises NothingToRollBack, and what `promote` raises.
    """
    checked_reason(because)
    if stage.alias is None:
        raise InvalidStage(f"There is no rollback of {stage.value!r}.", "Roll back Staging or Production.")
    return _carried_out(client, name, lambda ledger: _planned_back(name, stage, because, ledger), signer)


def _carried_out(
    client: Client, name: str, plan: Callable[[Ledger], _Plan | Promotion], signer: Signer | None
) -> Promotion:
    """Decide on a plan, and again on a new one where a move that does not concern it came first."""
    for _ in range(MAX_TRIES):
        planned = plan(reconciled(client, name, signer))
        if isinstance(planned, Promotion):
            return planned
        proposal = planned.event()
        try:
            decided = _decided(client, planned, proposal, signer)
        except RegistryUnreachable as fault:
            raise RegistryUnreachable(
                fault.message,
                f"{fault.hint} The move may have been decided: `stagewright history {name}` tells, and the same "
                "command again completes it.",
            ) from fault
        if isinstance(decided, Promotion):
            return decided
        if planned.spoilt_by(decided):
            raise PromotionLost(
                f"Version {planned.version.number} of {name!r} did not get {planned.stage.value}: version "
                f"{decided.version} went to {decided.to_stage.value} at the same moment, moved by "
                f"{decided.who} ({decided.event_id}).",
                f"Look at `stagewright history {name}` before promoting again.",
            )
    raise RegistryFault(f"The versions of {name!r} are moved all the time; nothing was moved.", "Try again.")


def _decided(client: Client, planned: _Plan, proposal: Event, signer: Signer | None) -> Promotion | Event:
    """The proposal made true, or the move that came first."""
    name, vouching = planned.version.name, planned.ledger.vouching(signer)
    if vouching:
        vouching.sign(client, name, proposal)
    with Claimant(client, name, proposal.parent, planned.ledger.movers) as claimant:
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
    version = ledger.version(planned.version.number) or planned.version
    previous = ledger.version(proposal.previous)
    return Promotion(version, previous, proposal, planned.verdicts)


def _planned(client: Client, move: Move, ledger: Ledger) -> _Plan | Promotion:
    version = ledger.version(move.number) or client.version(move.name, move.number)
    _refuse_unready(version)
    standing = ledger.standing
    current = ledger.version(standing.holder(move.stage)) if move.stage.alias else None
    _refuse_unexpected(move, current)
    if standing.stage_of(move.number) is move.stage and standing.settled:
        return Promotion(version, None, None)
    _refuse_emptying(move, standing.stage_of(move.number))
    verdicts = tuple(move.judge.judge(version, current)) if move.judge else ()
    refused = not all(verdict.passed for verdict in verdicts)
    kind = EventKind.PROMOTED if move.stage.alias else EventKind.ARCHIVED
    planned = _Plan(
        ledger,
        version,
        current,
        move.stage,
        EventKind.OVERRIDDEN if refused else kind,
        move.because,
        verdicts,
    )
    if refused and not move.force:
        _refuse(client, planned, move.signer)
    return planned


def _planned_back(name: str, stage: Stage, because: str, ledger: Ledger) -> _Plan:
    current = ledger.version(ledger.standing.holder(stage))
    there = [found for found in map(ledger.version, before(ledger.counted, stage)) if found is not None]
    if stage is Stage.STAGING:
        there = [found for found in there if found.stage is not Stage.PRODUCTION]
    if not there:
        now = f"version {current.number}" if current else "no version"
        raise NothingToRollBack(
            f"{stage.value} of {name!r} holds {now}, and the ledger knows none before it.",
            f"See `stagewright history {name}`.",
        )
    _refuse_unready(there[0])
    return _Plan(ledger, there[0], current, stage, EventKind.ROLLED_BACK, because)


def _refuse(client: Client, planned: _Plan, signer: Signer | None) -> NoReturn:
    """Write a refusal into the ledger, signed where there is a `signer`. Raises GateRefused."""
    name, number, stage = planned.version.name, planned.version.number, planned.stage.value
    event = Event(
        kind=EventKind.REFUSED,
        version=number,
        to_stage=planned.stage,
        from_stage=planned.ledger.standing.stage_of(number),
        previous=planned.current.number if planned.current else None,
        because=planned.because,
        more=_said(planned.verdicts),
    )
    event = composed(event)
    if vouching := planned.ledger.vouching(signer):
        vouching.sign(client, name, event)
    write(client, name, event)
    failed = [verdict.gate for verdict in planned.verdicts if not verdict.passed]
    raise GateRefused(
        f"Version {number} of {name!r} was refused for {stage} by "
        f"{len(failed)} of {len(planned.verdicts)} gates: {', '.join(failed)}; nothing was moved.",
        f"Mend the version, or override: `stagewright promote {name} {number} {stage} --force --because TEXT`.",
        planned.verdicts,
    )


def _said(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {"gates": [verdict.document() for verdict in verdicts]} if verdicts else {}


def _refuse_unready(version: ModelVersion) -> None:
    if not version.ready:
        raise VersionNotReady(
            f"{version.pinned_uri} is {version.status}, not READY.",
            "Wait until it is, or register the model again.",
        )


def _refuse_emptying(move: Move, now: Stage) -> None:
    """Nobody who asks for Staging means to leave Production empty; who asks for Archived does."""
    if now is Stage.PRODUCTION and move.stage is Stage.STAGING and not move.force:
        raise ProductionLeft(
            f"Version {move.number} of {move.name!r} is in Production, which would be empty; nothing was moved.",
            f"Promote another one to Production first, or `stagewright promote {move.name} {move.number} "
            f"{move.stage.value} --force --because TEXT`.",
        )


def _refuse_unexpected(move: Move, current: ModelVersion | None) -> None:
    if move.expect is None:
        return
    found: Expected = current.number if current else "none"
    if found != move.expect:
        raise ExpectationFailed(
            f"{move.stage.value} of {move.name!r} holds version {found!r}, not {move.expect!r}; "
            "nothing was moved.",
            f"Look at `stagewright history {move.name}`, then promote with `--expect {found}`.",
        )
