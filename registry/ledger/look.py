"""One look at a model: what its ledger tells, what the registry shows, and what there is to do about the difference.

Nothing here changes anything: who moves a version goes on with `registry.ledger.repair`, who only looks is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry import tag_values, tags
from registry.ledger.claims import Claim, claims_in
from registry.ledger.history import Event, events_in
from registry.ledger.standing import ALIASED, OWN_ALIASES, Standing, changes, declared_in
from registry.ledger.vouching import Movers, Vouching
from registry.trust.statements import Signer
from registry.versions import DeclaredStage, ModelVersion, Place, Stage

if TYPE_CHECKING:
    from registry.client import Client, RegisteredModel


@dataclass(frozen=True, slots=True)
class Ledger:
    """One look at a model: what its ledger tells, who is at work, which versions there are.

    `counted` are the events but for the moves that do not count to `movers`, `events` are all of them. `asked` is the
    stage that somebody wants to move a version to, whose alias may point somewhere before any move of ours did.
    """

    model: RegisteredModel
    versions: Sequence[ModelVersion]
    events: Sequence[Event]
    counted: Sequence[Event]
    claims: Sequence[Claim]
    movers: Movers
    asked: Place = Stage.NONE

    @classmethod
    def read(cls, client: Client, name: str, asked: Place = Stage.NONE) -> Ledger:
        """For who moves. Raises ModelNotFound, and PolicyRefused where a policy is not understood.

        The versions first, so that a later event explains them rather than they an event to come.
        """
        versions = client.versions(name)
        model = client.model(name)
        return cls._of(versions, model, Movers.of(model), asked)

    @classmethod
    def shown(cls, client: Client, name: str) -> Ledger:
        """For who looks: what cannot be understood is a line. Raises ModelNotFound."""
        versions = client.versions(name)
        model = client.model(name)
        return cls._of(versions, model, Movers.for_readers(model))

    @classmethod
    def _of(
        cls,
        versions: Sequence[ModelVersion],
        model: RegisteredModel,
        movers: Movers,
        asked: Place = Stage.NONE,
    ) -> Ledger:
        events = events_in(model.tags)
        counted = movers.counted(events, model.tags)
        return cls(model, versions, events, counted, claims_in(model.tags, movers), movers, asked)

    @property
    def passed_over(self) -> str:
        """A line about the moves that do not count, decided or proposed in a claim; empty where each does."""
        if not self.movers.demanding:
            return ""
        proposed = [claim.event for claim in claims_in(self.model.tags) if claim.event]
        told = {event.event_id: event for event in (*self.events, *proposed)}
        return self.movers.passed_over(
            event for event in told.values() if not self.movers.count(event, self.model.tags)
        )

    @property
    def head(self) -> Event | None:
        """The last move."""
        return next((event for event in reversed(self.counted) if event.kind.moves), None)

    @property
    def head_id(self) -> str:
        return self.head.event_id if self.head else ""

    @property
    def declared(self) -> list[DeclaredStage]:
        """The declared stages that this model was moved to, and the one that is asked for."""
        known = declared_in(self.counted)
        asked = self.asked
        return [*known, asked] if isinstance(asked, DeclaredStage) and asked not in known else known

    @property
    def standing(self) -> Standing:
        """As the ledger tells it."""
        return Standing.told(self.counted)

    @property
    def observed(self) -> Standing:
        """As the registry shows it, at the moment of the look."""
        seen = Standing.observed(self.versions, self.model.aliases, self.declared)
        if not self.model.without_stages:
            return seen
        # Without stages nothing tells an archived version from one that never stood anywhere.
        told = self.standing.stages.items()
        archived = {number: stage for number, stage in told if stage is Stage.ARCHIVED}
        return Standing(archived | dict(seen.stages), seen.aliases)

    @property
    def altered(self) -> bool:
        """Whether the version that moved last has other bytes now than those that its move was signed for."""
        if self.head is None:
            return False
        now, stated = self.manifests.get(self.head.version), self.movers.manifests(self.head, self.model.tags)
        return now is not None and bool(stated) and now not in stated

    @property
    def manifests(self) -> dict[int, str]:
        """The digest of each version's manifest, as its tag says; empty where it has none."""
        return {version.number: version.manifest_digest or "" for version in self.versions}

    def vouching(self, signer: Signer | None) -> Vouching | None:
        """What signs the events that are written after this look."""
        return Vouching(signer, self.manifests) if signer else None

    def version(self, number: int | None) -> ModelVersion | None:
        return next((found for found in self.versions if found.number == number), None)

    @property
    def outside(self) -> list[Event]:
        """What somebody else changed since the last move; empty while a move is not complete."""
        if any(claim.parent != self.head_id for claim in self.claims):
            return []
        return changes(self.standing, self.observed, (version.number for version in self.versions))


def begun(model: RegisteredModel) -> bool:
    """Whether there may be something that `unfinished` knows more of, by the model's tags alone."""
    return any(key.startswith(tags.CLAIM) for key in model.tags)


def unfinished(ledger: Ledger) -> list[str]:
    """A line for each move that was begun and is not complete, with the command that completes it."""
    name = ledger.model.name
    return [
        f"A move of {name!r} is not complete: {told(event)}. If nobody is at it any more, "
        f"`stagewright promote {name} {event.version} {event.to_stage.value}` completes it."
        for event in begun_moves(ledger)
    ]


def begun_moves(ledger: Ledger) -> list[Event]:
    """The moves that somebody proposed, or decided and did not make true."""
    found = {claim.event for claim in ledger.claims if claim.event and claim.parent == ledger.head_id}
    if any(claim.parent != ledger.head_id for claim in ledger.claims) and ledger.head and any(steps(ledger)):
        found.add(ledger.head)
    return sorted(found, key=lambda event: event.event_id)


def told(event: Event) -> str:
    where, who = event.to_stage.value, tag_values.shown(event.who)
    return f"version {event.version} to {where}, {event.kind.value} by {who} ({event.event_id})"


def steps(ledger: Ledger) -> Iterator[tuple[ModelVersion | None, Stage | str]]:
    """Which version goes to which stage or gets which alias; no version takes the alias away."""
    target, observed = ledger.standing, ledger.observed
    for alias in (*OWN_ALIASES, *map(str, ledger.declared)):
        wanted = ledger.version(target.aliases.get(alias))
        if (wanted.number if wanted else None) != observed.aliases.get(alias):
            yield wanted, alias
    if ledger.model.without_stages:
        return
    head = ledger.head
    mover = None if head is None or isinstance(head.to_stage, DeclaredStage) else head.version
    arriving: list[tuple[ModelVersion, Stage]] = []
    leaving: list[tuple[ModelVersion, Stage]] = []
    for version in ledger.versions:
        goal = target.stage_of(version.number)
        if version.stage is not goal and (goal.alias or version.stage.alias or version.number == mover):
            # Somebody else put it there while we moved another version: one version a stage.
            (arriving if goal.alias else leaving).append(
                (version, Stage.ARCHIVED if goal is Stage.NONE else goal)
            )
    yield from [*arriving, *leaving]


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
    if ledger.outside and not found:
        said = f"versions of {name!r} were moved outside of stagewright"
        found.append((said, f"see `stagewright history {name}`; the next promotion writes it down"))
    for line in unfinished(ledger):
        said, _, step = line.rpartition(" If nobody ")
        found.append((said, f"if nobody {step.rstrip('.')}"))
    if ledger.passed_over:
        found.append((ledger.passed_over, f"see `stagewright history {name} --public-key FILE`"))
    return found


def _listed(numbers: Sequence[int]) -> str:
    return f"version {' and '.join(map(str, numbers))}" if numbers else "no version"
