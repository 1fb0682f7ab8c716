"""What brings ledger and registry together: the ledger is right about what we did, the registry about the rest.

A move is decided when its event is in the ledger, and made true afterwards: alias, stage, then those that make
room. Whoever ends in between leaves a claim, by which the next command knows that the registry is behind the
ledger, and finishes. Where no claim is left, a difference between the two was made by somebody else, and the
ledger takes it over as seen from outside.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry import tags
from registry.errors import AccessDenied, NotFound, RegistryFault, StagesRefused
from registry.ledger.chain import Claim, Claimant, claims_in, held
from registry.ledger.history import Event, EventKind, composed, events_in
from registry.ledger.standing import ALIASED, Standing, changes
from registry.versions import ModelVersion, Stage

if TYPE_CHECKING:
    from registry.client import Client, RegisteredModel

# Another process may come between every look and every step; each round is one look and the steps it asks for.
MAX_ROUNDS = 20
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ledger:
    """One look at a model: what its ledger tells, who is at work, which versions there are."""

    model: RegisteredModel
    versions: Sequence[ModelVersion]
    events: Sequence[Event]
    claims: Sequence[Claim]

    @classmethod
    def read(cls, client: Client, name: str) -> Ledger:
        """The versions first, so that a later event explains them rather than they an event to come."""
        versions = client.versions(name)
        model = client.model(name)
        return cls(model, versions, events_in(model.tags), claims_in(model.tags))

    @property
    def head(self) -> Event | None:
        """The last move."""
        return next((event for event in reversed(self.events) if event.kind.moves), None)

    @property
    def head_id(self) -> str:
        return self.head.event_id if self.head else ""

    @property
    def standing(self) -> Standing:
        """As the ledger tells it."""
        return Standing.told(self.events)

    @property
    def observed(self) -> Standing:
        """As the registry shows it, at the moment of the look."""
        seen = Standing.observed(self.versions, self.model.aliases)
        if not self.model.without_stages:
            return seen
        # Without stages nothing tells an archived version from one that never stood anywhere.
        told = self.standing.stages.items()
        archived = {number: stage for number, stage in told if stage is Stage.ARCHIVED}
        return Standing(archived | dict(seen.stages), seen.aliases)

    def version(self, number: int | None) -> ModelVersion | None:
        return next((found for found in self.versions if found.number == number), None)

    @property
    def outside(self) -> list[Event]:
        """What somebody else changed since the last move; empty while a move is not complete."""
        if any(claim.parent != self.head_id for claim in self.claims):
            return []
        return changes(self.standing, self.observed, (version.number for version in self.versions))


def reconciled(client: Client, name: str) -> Ledger:
    """The ledger after finishing what others began and taking over what was changed outside.

    Raises ModelNotFound, and RegistryFault where others change it all the time.
    """
    for _ in range(MAX_ROUNDS):
        ledger = Ledger.read(client, name)
        begun = [claim for claim in ledger.claims if claim.parent == ledger.head_id]
        decided = [claim for claim in ledger.claims if claim.parent != ledger.head_id]
        if any(claim.accepted for claim in begun):
            with Claimant(client, name, ledger.head_id) as claimant:
                claimant.decide(None)
                claimant.release()
        elif decided:
            ledger = _complete(client, name, decided)
            if not all(claim.stale for claim in decided):
                # Somebody is still at it, and looks once more before letting go: the ledger knows best.
                return ledger
        elif ledger.outside:
            _take_over(client, name, ledger)
        else:
            # Claims on what is not decided yet stay, whoever made them: see `Claimant.decide`.
            return ledger
    raise RegistryFault(
        f"The versions of {name!r} are moved faster than this command can follow.", "Try again."
    )


def if_begun(client: Client, name: str) -> None:
    """Complete a move that somebody began, for those who only want to look. Raises ModelNotFound."""
    if claims_in(client.model(name).tags):
        read_only(client, name)


def read_only(client: Client, name: str) -> Ledger:
    """`reconciled`, or as much of it as these credentials may read, with a warning."""
    try:
        return reconciled(client, name)
    except AccessDenied as denied:
        _LOG.warning("%s: what is unfinished stays so: %s", name, denied.message)
        return Ledger.read(client, name)


def faults(ledger: Ledger) -> list[tuple[str, str]]:
    """What is wrong with where versions stand, each with its next step."""
    name, observed = ledger.model.name, ledger.observed
    found = []
    for stage in ALIASED:
        standing = sorted(number for number, where in observed.stages.items() if where is stage)
        aliased = observed.aliases.get(stage.alias or "")
        if standing != ([] if aliased is None else [aliased]):
            holder = observed.holder(stage)
            found.append(
                (
                    f"{stage.value} of {name!r} holds {_listed(standing)}, its alias {stage.alias!r} points to "
                    f"{_listed([] if aliased is None else [aliased])}",
                    f"`stagewright promote {name} {holder} {stage.value}` makes them one",
                )
            )
    if ledger.outside:
        said = f"versions of {name!r} were moved outside of stagewright"
        found.append((said, f"see `stagewright history {name}`"))
    return found


def _listed(numbers: Sequence[int]) -> str:
    return f"version {' and '.join(map(str, numbers))}" if numbers else "no version"


def materialise(client: Client, name: str) -> Ledger:
    """Make the registry stand as the ledger says, and look again until it does.

    The caller holds a claim. Each look ends with the ledger, so whoever writes last sees the last move.
    Raises RegistryFault where somebody else keeps changing it.
    """
    for _ in range(MAX_ROUNDS):
        ledger = Ledger.read(client, name)
        if ledger.head is None or ledger.head.kind is EventKind.SEEN:
            return ledger
        steps = list(_steps(ledger))
        if not steps:
            return ledger
        for version, change in steps:
            # Somebody may delete a version at any time; the next look sees that it is gone.
            with suppress(NotFound):
                _apply(client, name, version, change)
    raise RegistryFault(
        f"Somebody else keeps moving the versions of {name!r}; the ledger's last move is not in force.",
        f"Look at `stagewright history {name}`, and see who uses MLflow's own calls.",
    )


def _steps(ledger: Ledger) -> Iterator[tuple[ModelVersion | None, Stage | str]]:
    """Which version goes to which stage or gets which alias; no version takes the alias away."""
    target, observed = ledger.standing, ledger.observed
    for stage in ALIASED:
        alias = stage.alias or ""
        wanted = ledger.version(target.aliases.get(alias))
        if (wanted.number if wanted else None) != observed.aliases.get(alias):
            yield wanted, alias
    if ledger.model.without_stages:
        return
    arriving: list[tuple[ModelVersion, Stage]] = []
    leaving: list[tuple[ModelVersion, Stage]] = []
    for version in ledger.versions:
        goal = target.stage_of(version.number)
        moved = ledger.head is not None and version.number == ledger.head.version
        if version.stage is not goal and (goal.alias or version.stage.alias or moved):
            # Somebody else put it there while we moved another version: one version a stage.
            (arriving if goal.alias else leaving).append(
                (version, Stage.ARCHIVED if goal is Stage.NONE else goal)
            )
    yield from [*arriving, *leaving]


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


def _complete(client: Client, name: str, decided: Sequence[Claim]) -> Ledger:
    """Make the last move true, and clear away the claims of those who are gone."""
    with held(client, name, decided[0].parent):
        ledger = materialise(client, name)
        _forget(client, name, [claim for claim in decided if claim.stale])
    return ledger


def _take_over(client: Client, name: str, ledger: Ledger) -> None:
    """Append what was changed outside, after a second look: the first may lie on both sides of a move."""
    again = Ledger.read(client, name)
    if again.head_id != ledger.head_id or again.observed != ledger.observed:
        return
    parent = again.head
    for change in again.outside:
        event = composed(change, parent)
        with Claimant(client, name, parent.event_id if parent else "") as claimant:
            written = claimant.decide(event)
            claimant.release()
        if written is None or written.event_id != event.event_id:
            return
        parent = event


def _forget(client: Client, name: str, claims: Sequence[Claim]) -> None:
    for claim in claims:
        client.delete_model_tag(name, claim.key)
