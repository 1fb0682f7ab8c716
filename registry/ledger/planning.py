"""What is to be done about a wish, by one look at the ledger: a plan, nothing at all, or a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from registry.errors import (
    ExpectationFailed,
    GateRefused,
    InvalidStage,
    NothingToRollBack,
    ProductionLeft,
    VersionNotReady,
)
from registry.ledger.history import Event, EventKind, composed, write
from registry.ledger.look import Ledger
from registry.ledger.moves import Expected, Move, Ordered, Promotion
from registry.ledger.standing import ALIASED, before, declared_in, passed
from registry.trust.statements import Signer
from registry.verdicts import AFTER, WANTED_BEFORE, Verdict
from registry.versions import DeclaredStage, ModelVersion, Place, Stage

if TYPE_CHECKING:
    from registry.client import Client


@dataclass(frozen=True, slots=True)
class Plan:
    """A move that may be made, judged by one look at the ledger."""

    ledger: Ledger
    version: ModelVersion
    current: ModelVersion | None
    stage: Place
    kind: EventKind
    because: str
    verdicts: Sequence[Verdict] = field(default=())

    def event(self) -> Event:
        displaced = self.current if self.current != self.version else None
        event = Event(
            kind=self.kind,
            version=self.version.number,
            to_stage=self.stage,
            from_stage=self.left,
            previous=displaced.number if displaced else None,
            because=self.because,
            more=_said(self.verdicts),
        )
        return composed(event, self.ledger.head)

    @property
    def left(self) -> Stage:
        """The stage that the version leaves; who comes to a declared one leaves none."""
        if isinstance(self.stage, DeclaredStage):
            return Stage.NONE
        return self.ledger.standing.stage_of(self.version.number)

    def spoilt_by(self, other: Event) -> bool:
        """Whether another move changed what this one was judged by."""
        was, now, number = self.ledger.standing, self.ledger.standing.after(other), self.version.number
        if other.kind is EventKind.SEEN or now.stands(number, self.stage):
            return False
        if isinstance(self.stage, DeclaredStage):
            elsewhere = other.version == number and other.to_stage is Stage.ARCHIVED
        else:
            elsewhere = was.stage_of(number) is not now.stage_of(number)
        return elsewhere or was.holder(self.stage) != now.holder(self.stage)


def planned(client: Client, move: Move, ledger: Ledger) -> Plan | Promotion:
    version = ledger.version(move.number) or client.version(move.name, move.number)
    _refuse_unready(version)
    standing = ledger.standing
    current = ledger.version(standing.holder(move.stage)) if move.stage.alias else None
    _refuse_unexpected(move, current)
    if _there(ledger, move):
        return Promotion(version, None, None, stage=move.stage)
    _refuse_emptying(move, standing.stage_of(move.number))
    verdicts = _judged(ledger, move, version, current)
    refused = not all(verdict.passed for verdict in verdicts)
    kind = EventKind.PROMOTED if move.stage.alias else EventKind.ARCHIVED
    plan = Plan(
        ledger,
        version,
        current,
        move.stage,
        EventKind.OVERRIDDEN if refused else kind,
        move.because,
        verdicts,
    )
    if refused and not move.force:
        _refuse(client, plan, move.signer)
    return plan


def _there(ledger: Ledger, move: Move) -> bool:
    """Whether there is nothing to move; who got to a declared stage by no move of ours is judged all the same."""
    standing = ledger.standing
    if not standing.stands(move.number, move.stage) or not standing.settled:
        return False
    if move.stage is Stage.ARCHIVED:
        return move.number not in standing.aliases.values()
    return isinstance(move.stage, Stage) or passed(ledger.counted, move.number, move.stage) is not None


def _judged(
    ledger: Ledger, move: Move, version: ModelVersion, current: ModelVersion | None
) -> tuple[Verdict, ...]:
    """What the stage's judge says: whether the version has passed the stages before, then its gates."""
    if move.judge is None:
        return ()
    stages = move.judge.after if isinstance(move.judge, Ordered) else ()
    return (*(_in_order(ledger, version, stage) for stage in stages), *move.judge.judge(version, current))


def _in_order(ledger: Ledger, version: ModelVersion, stage: Place) -> Verdict:
    event = passed(ledger.counted, version.number, stage)
    found = f"moved there at {event.at:%Y-%m-%d %H:%M:%S}" if event else "never moved there"
    step = "" if event else f"stagewright promote {version.name} {version.number} {stage.value}"
    return Verdict(f"{AFTER}{stage.value}", event is not None, found, WANTED_BEFORE, next_step=step)


def planned_back(name: str, stage: Place, because: str, ledger: Ledger) -> Plan:
    _refuse_unknown(name, stage, ledger)
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
    return Plan(ledger, there[0], current, stage, EventKind.ROLLED_BACK, because)


def _refuse(client: Client, plan: Plan, signer: Signer | None) -> NoReturn:
    """Write a refusal into the ledger, signed where there is a `signer`. Raises GateRefused."""
    name, number, stage = plan.version.name, plan.version.number, plan.stage.value
    event = Event(
        kind=EventKind.REFUSED,
        version=number,
        to_stage=plan.stage,
        from_stage=plan.left,
        previous=plan.current.number if plan.current else None,
        because=plan.because,
        more=_said(plan.verdicts),
    )
    event = composed(event)
    if vouching := plan.ledger.vouching(signer):
        vouching.sign(client, name, event)
    write(client, name, event)
    failed = [verdict.gate for verdict in plan.verdicts if not verdict.passed]
    raise GateRefused(
        f"Version {number} of {name!r} was refused for {stage} by "
        f"{len(failed)} of {len(plan.verdicts)} gates: {', '.join(failed)}; nothing was moved.",
        f"Mend the version, or override: `stagewright promote {name} {number} {stage} --force --because TEXT`.",
        plan.verdicts,
    )


def _said(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {"gates": [verdict.document() for verdict in verdicts]} if verdicts else {}


def _refuse_unknown(name: str, stage: Place, ledger: Ledger) -> None:
    """Which declared stages there are to roll back, the ledger knows without a file."""
    known: tuple[Place, ...] = (*ALIASED, *declared_in(ledger.counted))
    if stage not in known:
        raise InvalidStage(
            f"No version of {name!r} was ever moved to a stage {stage.value!r}.",
            f"There are {', '.join(found.value for found in known)}.",
        )


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
