"""Versions from stage to stage, each with its alias and its line in the ledger.

The alias moves first: it is one pointer that the registry changes at once, so it decides who won, whereas a
stage may end up with two versions. Then MLflow's stage is moved to where the alias points, archiving who
stood there, and looked at again, at most SETTLE_ROUNDS times, for another promoter may have come between.
Whoever finds the alias on another version has lost, and leaves the stage on the winner. The ledger is
written when all that is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypedDict

from registry.errors import (
    ExpectationFailed,
    GateRefused,
    InvalidStage,
    NothingToRollBack,
    PromotionLost,
    VersionNotReady,
)
from registry.history import Event, EventKind, before, checked_reason, history, record
from registry.resolution import holder
from registry.verdicts import Judge, Verdict
from registry.versions import ModelVersion, Stage

if TYPE_CHECKING:
    from registry.client import Client

SETTLE_ROUNDS = 5

Expected = int | Literal["none"] | None


class Conditions(TypedDict, total=False):
    """What a promotion may hang on; see `Move`."""

    expect: Expected
    judge: Judge | None
    force: bool


@dataclass(frozen=True, slots=True)
class Move:
    """A wish: this version into this stage, for this reason, if the stage holds `expect` now.

    `judge` says whether the version has what the stage asks for; `force` overrides it, which takes a reason.
    """

    name: str
    number: int
    stage: Stage
    because: str = ""
    expect: Expected = None
    judge: Judge | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Promotion:
    """What a move led to: the version as it stands now, who made room, and the ledger's event.

    `event` is None where the version stood there already, so that nothing was moved.
    """

    version: ModelVersion
    previous: ModelVersion | None
    event: Event | None
    verdicts: Sequence[Verdict] = ()


def promote(client: Client, move: Move) -> Promotion:
    """Move a version to a stage, and the alias of the stage's name with it.

    Who stood in Staging or Production before is archived; who is archived loses both aliases.
    Raises ModelNotFound, VersionNotFound, VersionNotReady, InvalidStage, InvalidReason, ExpectationFailed,
    GateRefused or PromotionLost.
    """
    checked_reason(move.because, needed=move.force)
    _refuse_no_stage(move.stage)
    version = client.version(move.name, move.number)
    _refuse_unready(version)
    versions = client.versions(move.name)
    current = holder(versions, move.stage) if move.stage.alias else None
    _refuse_unexpected(move, current)
    if _stands(versions, version, move.stage):
        return Promotion(version, None, None)
    verdicts = tuple(move.judge.judge(version, current)) if move.judge else ()
    refused = not all(verdict.passed for verdict in verdicts)
    if refused and not move.force:
        _refuse(client, move, version, current, verdicts)
    kind = EventKind.PROMOTED if move.stage.alias else EventKind.ARCHIVED
    done = _move(client, move, version, current, EventKind.OVERRIDDEN if refused else kind, verdicts)
    return replace(done, verdicts=verdicts)


def _refuse(
    client: Client,
    move: Move,
    version: ModelVersion,
    current: ModelVersion | None,
    verdicts: Sequence[Verdict],
) -> NoReturn:
    """Write a refusal into the ledger. Raises GateRefused."""
    event = Event(
        kind=EventKind.REFUSED,
        version=version.number,
        to_stage=move.stage,
        from_stage=version.stage,
        previous=current.number if current else None,
        because=move.because,
        more=_said(verdicts),
    )
    record(client, move.name, event)
    failed = [verdict.gate for verdict in verdicts if not verdict.passed]
    raise GateRefused(
        f"Version {version.number} of {move.name!r} was refused for {move.stage.value} by "
        f"{len(failed)} of {len(verdicts)} gates: {', '.join(failed)}; nothing was moved.",
        f"Mend the version, or override: `stagewright promote {move.name} {version.number} "
        f"{move.stage.value} --force --because TEXT`.",
        verdicts,
    )


def _said(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {"gates": [verdict.document() for verdict in verdicts]} if verdicts else {}


def rollback(client: Client, name: str, stage: Stage, because: str = "") -> Promotion:
    """Move the version that stood in a stage before back into it; twice goes back twice.

    Versions that were deleted meanwhile are passed over, and no rollback of Staging takes a version out of
    Production. Raises NothingToRollBack, and what `promote` raises.
    """
    checked_reason(because)
    if stage.alias is None:
        raise InvalidStage(f"There is no rollback of {stage.value!r}.", "Roll back Staging or Production.")
    versions = {version.number: version for version in client.versions(name)}
    current = holder(list(versions.values()), stage)
    earlier = before(history(client, name), stage, current.number if current else None)
    there = [versions[number] for number in earlier if number in versions]
    if stage is Stage.STAGING:
        there = [version for version in there if version.stage is not Stage.PRODUCTION]
    if not there:
        raise NothingToRollBack(_nothing_before(name, stage, current), f"See `stagewright history {name}`.")
    _refuse_unready(there[0])
    move = Move(name, there[0].number, stage, because)
    return _move(client, move, there[0], current, EventKind.ROLLED_BACK)


def _move(
    client: Client,
    move: Move,
    version: ModelVersion,
    current: ModelVersion | None,
    kind: EventKind,
    verdicts: Sequence[Verdict] = (),
) -> Promotion:
    if move.stage.alias is None:
        _drop_aliases(client, version, keep=None)
        client.set_stage(version, move.stage)
    else:
        client.set_alias(version, move.stage.alias)
        _drop_aliases(client, version, keep=move.stage.alias)
        _settle(client, version, move.stage, move.stage.alias)
    displaced = current if current is not None and current.number != version.number else None
    event = Event(
        kind=kind,
        version=version.number,
        to_stage=move.stage,
        from_stage=version.stage,
        previous=displaced.number if displaced else None,
        because=move.because,
        more=_said(verdicts),
    )
    written = record(client, move.name, event)
    return Promotion(client.version(move.name, version.number), displaced, written)


def _settle(client: Client, version: ModelVersion, stage: Stage, alias: str) -> None:
    """Bring the stage to where the alias points. Raises PromotionLost where that is another version."""
    for _ in range(SETTLE_ROUNDS):
        winner = client.version_by_alias(version.name, alias)
        versions = client.versions(version.name)
        if [found.number for found in versions if found.stage is stage] != [winner.number]:
            client.set_stage(winner, stage)
        elif winner.number == version.number:
            return
        else:
            break
    raise PromotionLost(
        f"Version {version.number} of {version.name!r} did not get {stage.value}: "
        f"version {winner.number} was promoted at the same moment.",
        f"Look at `stagewright history {version.name}` before promoting again.",
    )


def _drop_aliases(client: Client, version: ModelVersion, keep: str | None) -> None:
    """Take the stages' aliases off a version that leaves those stages."""
    for stage in (Stage.STAGING, Stage.PRODUCTION):
        if stage.alias is not None and stage.alias != keep and stage.alias in version.aliases:
            client.delete_alias(version.name, stage.alias)


def _stands(versions: list[ModelVersion], version: ModelVersion, stage: Stage) -> bool:
    """Whether a version, and it alone, is where it should go, with the aliases that belong there."""
    standing = [found.number for found in versions if found.stage is stage]
    aliases = {found.alias for found in (Stage.STAGING, Stage.PRODUCTION)} & set(version.aliases)
    if stage.alias is None:
        return version.number in standing and not aliases
    return standing == [version.number] and aliases == {stage.alias}


def _refuse_no_stage(stage: Stage) -> None:
    if stage is Stage.NONE:
        raise InvalidStage(
            "A version cannot be moved back to 'None'.", "Move it to Staging, Production or Archived."
        )


def _refuse_unready(version: ModelVersion) -> None:
    if not version.ready:
        raise VersionNotReady(
            f"{version.pinned_uri} is {version.status}, not READY.",
            "Wait until it is, or register the model again.",
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


def _nothing_before(name: str, stage: Stage, current: ModelVersion | None) -> str:
    now = f"version {current.number}" if current else "no version"
    return f"{stage.value} of {name!r} holds {now}, and the ledger knows none before it."
