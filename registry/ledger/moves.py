"""A wish to move a version, what it may hang on, and what it led to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypedDict, runtime_checkable

from registry.ledger.history import Event
from registry.trust.statements import Signer
from registry.verdicts import Verdict
from registry.versions import ModelVersion, Place, Stage

Expected = int | Literal["none"] | None


class Judge(Protocol):
    """Whatever holds a version against what a stage asks for."""

    def judge(self, candidate: ModelVersion, current: ModelVersion | None) -> Sequence[Verdict]:
        """A verdict for each gate; `current` holds the stage now. No gates: no verdicts."""


@runtime_checkable
class Ordered(Protocol):
    """A judge whose stage has others that a version has to pass first."""

    @property
    def after(self) -> Sequence[Place]:
        """Those stages."""


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
    stage: Place
    because: str = ""
    expect: Expected = None
    judge: Judge | None = None
    force: bool = False
    signer: Signer | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """What a move led to: the version as it stands now, who made room, and the ledger's event.

    `event` is None where the version stood in `stage` already, so that nothing was moved.
    """

    version: ModelVersion
    previous: ModelVersion | None
    event: Event | None
    verdicts: Sequence[Verdict] = ()
    stage: Place = Stage.NONE
