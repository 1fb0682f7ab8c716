"""What a gate is, and all gates of one stage as one judge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from registry.verdicts import AFTER, WANTED_BEFORE, Verdict
from registry.versions import ModelVersion, Place, Stage

# A promotion's verdicts share one ledger event with a reason of up to 2,000 characters: 5,000 in all, which
# MLflow's SqlRegisteredModelTag.value is wide and PostgreSQL enforces.
LEDGER_CHARS = 2400
FOUND_CHARS = 60
_RUN_ID = "0" * 32


@dataclass(frozen=True, slots=True)
class Finding:
    """What a gate found, the run that has the whole of it, and the command that mends what is missing."""

    passed: bool
    found: str
    run_id: str = ""
    next_step: str = ""


class Gate(Protocol):
    """One thing that a stage asks for."""

    @property
    def name(self) -> str:
        """A few words, without blanks."""

    @property
    def wanted(self) -> str:
        """What passes, for a person."""

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """Hold a version against this gate; `current` holds the stage now."""


@dataclass(frozen=True, slots=True)
class Judges:
    """Every gate of one stage, and the stages that a version has to pass before; a `registry.ledger.moves.Judge`."""

    gates: tuple[Gate, ...]
    stage: Place = Stage.NONE
    after: tuple[Place, ...] = ()

    def judge(self, candidate: ModelVersion, current: ModelVersion | None) -> Sequence[Verdict]:
        """A verdict for each gate."""
        return [_verdict(gate, gate.look(candidate, current)) for gate in self.gates]

    @property
    def ledger_chars(self) -> int:
        """The most characters that the verdicts of these gates take in the ledger."""
        found = "x" * FOUND_CHARS
        longest = [Verdict(gate.name, False, found, gate.wanted, _RUN_ID) for gate in self.gates]
        longest += [Verdict(f"{AFTER}{stage.value}", False, found, WANTED_BEFORE) for stage in self.after]
        return sum(len(json.dumps(verdict.document(), ensure_ascii=False)) + 2 for verdict in longest)


def _verdict(gate: Gate, finding: Finding) -> Verdict:
    return Verdict(
        gate.name, finding.passed, bounded(finding.found), gate.wanted, finding.run_id, finding.next_step
    )


def bounded(text: str) -> str:
    """A text that takes at most FOUND_CHARS characters as JSON, with an ellipsis where it is cut."""
    shown = text
    while len(json.dumps(shown, ensure_ascii=False)) - 2 > FOUND_CHARS:
        shown = shown.removesuffix("...")[:-1].rstrip() + "..."
    return shown
