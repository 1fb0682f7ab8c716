"""Which version stands where: as the ledger tells it, as the registry shows it, now or at any time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from registry.ledger.history import ALIAS, OUTSIDE, POINTED_TO, POINTS_TO, Event, EventKind, moves
from registry.versions import DeclaredStage, ModelVersion, Place, Stage

# The order in which a version that stands in both is counted.
ALIASED = (Stage.PRODUCTION, Stage.STAGING)
OWN_ALIASES = tuple(stage.value.lower() for stage in ALIASED)
# What a SEEN event of a version that is gone says more.
DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Standing:
    """MLflow's stage of each version that has one, and where the aliases point of its stages and of declared ones."""

    stages: Mapping[int, Stage] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def told(cls, events: Iterable[Event]) -> Standing:
        """What the ledger says, after all these events."""
        standing = cls()
        for event in moves(events):
            standing = standing.after(event)
        return standing

    @classmethod
    def observed(
        cls, versions: Iterable[ModelVersion], aliases: Mapping[str, int], declared: Iterable[str] = ()
    ) -> Standing:
        """What the registry shows; aliases other than the stages' and the declared ones are the user's own."""
        known = {*OWN_ALIASES, *declared}
        stages = {found.number: found.stage for found in versions if found.stage is not Stage.NONE}
        return cls(stages, {alias: number for alias, number in aliases.items() if alias in known})

    def stage_of(self, number: int) -> Stage:
        """MLflow's stage of a version."""
        return self.stages.get(number, Stage.NONE)

    def stands(self, number: int, where: Place) -> bool:
        """Whether a version stands in a stage, MLflow's or a declared one."""
        if isinstance(where, DeclaredStage):
            return self.aliases.get(where.alias) == number
        return self.stage_of(number) is where

    def holder(self, stage: Place) -> int | None:
        """The one version that a stage means; None where it is empty.

        MLflow lets several versions stand in one stage. Then it is the one that the stage's alias points to,
        for an alias never points to two, else the highest number, as MLflow itself decides. A stage without a
        version means its alias's.
        """
        standing = [number for number, where in self.stages.items() if where == stage]
        aliased = self.aliases.get(stage.alias) if stage.alias else None
        if aliased is not None and (aliased in standing or not standing):
            return aliased
        return max(standing, default=None)

    @property
    def settled(self) -> bool:
        """Whether each stage has at most one version, and its alias points to it."""
        return self == self._of(self._holders(), self.stages, self._declared)

    def after(self, event: Event) -> Standing:
        """Where everything stands once an event has happened.

        What we move leaves at most one version in a stage, with the stage's alias, whatever was found before. Who
        is archived leaves declared stages too; who makes room does not.
        """
        if event.kind is EventKind.SEEN:
            return self._as_seen(event)
        if isinstance(event.to_stage, DeclaredStage):
            declared = {**self._declared, event.to_stage.alias: event.version}
            return self._of(self._holders(), self.stages, declared)
        holders = {
            stage: None if number == event.version else number for stage, number in self._holders().items()
        }
        stages, declared = dict(self.stages), self._declared
        if event.to_stage.alias is None:
            stages[event.version] = event.to_stage
            declared = {alias: number for alias, number in declared.items() if number != event.version}
        else:
            holders[event.to_stage] = event.version
        return self._of(holders, stages, declared)

    @property
    def _declared(self) -> dict[str, int]:
        return {alias: number for alias, number in self.aliases.items() if alias not in OWN_ALIASES}

    def _holders(self) -> dict[Stage, int | None]:
        holders: dict[Stage, int | None] = {}
        for stage in ALIASED:
            number = self.holder(stage)
            holders[stage] = None if number in holders.values() else number
        return holders

    @staticmethod
    def _of(
        holders: Mapping[Stage, int | None], stages: Mapping[int, Stage], declared: Mapping[str, int]
    ) -> Standing:
        kept = {
            number: Stage.ARCHIVED if stage.alias else stage
            for number, stage in stages.items()
            if number not in holders.values()
        }
        held = {number: stage for stage, number in holders.items() if number is not None}
        aliases = {stage.alias: number for number, stage in held.items() if stage.alias}
        return Standing(kept | held, {**declared, **aliases})

    def _as_seen(self, event: Event) -> Standing:
        if ALIAS in event.more:
            aliases = {alias: number for alias, number in self.aliases.items() if alias != event.more[ALIAS]}
            points_to = event.more[POINTS_TO]
            return Standing(
                self.stages, aliases if points_to is None else {**aliases, event.more[ALIAS]: points_to}
            )
        stages = {number: stage for number, stage in self.stages.items() if number != event.version}
        if isinstance(event.to_stage, Stage) and event.to_stage is not Stage.NONE:
            stages[event.version] = event.to_stage
        return Standing(stages, self.aliases)


def declared_in(events: Iterable[Event]) -> list[DeclaredStage]:
    """The declared stages that the moves among these events name, in alphabetical order.

    A ledger needs no file to tell them: whatever once was moved to a declared stage says its name.
    """
    found = set[str]()
    for event in moves(events):
        if isinstance(event.to_stage, DeclaredStage):
            found.add(event.to_stage)
        if event.kind is EventKind.SEEN and ALIAS in event.more:
            found.add(event.more[ALIAS])
    return [DeclaredStage(name) for name in sorted(found) if DeclaredStage.fits(name)]


def changes(told: Standing, seen: Standing, existing: Iterable[int]) -> list[Event]:
    """What must have happened outside of the ledger to get from `told` to `seen`: departures first.

    `existing` are the versions that the registry still has.
    """
    there = set(existing)
    found = []
    for number in sorted(told.stages.keys() | seen.stages.keys()):
        was, now = told.stage_of(number), seen.stage_of(number)
        if was is not now:
            more = {} if number in there else {DELETED: True}
            found.append(Event(EventKind.SEEN, number, now, was, who=OUTSIDE, more=more))
    found.sort(key=lambda event: event.to_stage.alias is not None)
    for alias in sorted(told.aliases.keys() | seen.aliases.keys()):
        pointed_to, points_to = told.aliases.get(alias), seen.aliases.get(alias)
        if pointed_to != points_to:
            number = points_to or pointed_to or 0
            stage = seen.stage_of(number)
            said: dict[str, Any] = {ALIAS: alias, POINTS_TO: points_to, POINTED_TO: pointed_to}
            found.append(Event(EventKind.SEEN, number, stage, stage, who=OUTSIDE, more=said))
    return found


def at(events: Iterable[Event], moment: datetime) -> Standing:
    """What the ledger says of a moment."""
    return Standing.told(event for event in events if event.at <= moment)


@dataclass(frozen=True, slots=True)
class Tenure:
    """Which version holds a stage, none where it is empty, and the event since which it is so."""

    stage: Place
    version: int | None
    since: Event | None


def tenure(events: Iterable[Event], stage: Place, moment: datetime) -> Tenure:
    """Who held a stage at a moment; what was changed outside counts from when it was seen."""
    standing, found = Standing(), Tenure(stage, None, None)
    for event in moves(events):
        if event.at > moment:
            break
        standing = standing.after(event)
        if standing.holder(stage) != found.version:
            found = Tenure(stage, standing.holder(stage), event)
    return found


def passed(events: Iterable[Event], number: int, stage: Place) -> Event | None:
    """The last move of ours that put a version into a stage; what was set outside asked no gate."""
    ours = (EventKind.PROMOTED, EventKind.OVERRIDDEN, EventKind.ROLLED_BACK)
    there = [
        event
        for event in moves(events)
        if event.kind in ours and event.version == number and event.to_stage == stage
    ]
    return there[-1] if there else None


def before(events: Iterable[Event], stage: Place) -> list[int]:
    """The versions that stood in a stage before the one that stands there now, the nearest first.

    A rollback takes its steps back, so rolling back twice goes back twice. Who left the stage without a
    successor, by being archived or moved on, is what was there before the empty stage.
    """
    standing = Standing()
    stood: list[int | None] = []
    for event in moves(events):
        standing = standing.after(event)
        if event.kind is EventKind.ROLLED_BACK and event.to_stage == stage:
            while stood and stood[-1] != event.version:
                stood.pop()
        if not stood or stood[-1] != standing.holder(stage):
            stood.append(standing.holder(stage))
    current = standing.holder(stage)
    return [number for number in reversed(stood[:-1]) if number is not None and number != current]
