"""What a gate says of a version that is to be promoted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.tag_values import flag_of, text_of

# The verdict on whether a version has stood in a stage before, and what it asks for.
AFTER = "after-"
WANTED_BEFORE = "moved there before"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One gate: what it asks for, what it found, and whether that will do.

    `next_step` is the command that brings what is missing; it is for whoever reads it now, not for the ledger.
    """

    gate: str
    passed: bool
    found: str
    wanted: str
    run_id: str = ""
    next_step: str = ""

    def document(self) -> dict[str, Any]:
        """As the ledger keeps it, without what is empty."""
        said = {"gate": self.gate, "passed": self.passed, "found": self.found, "wanted": self.wanted}
        return said | ({"run": self.run_id} if self.run_id else {})

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Verdict:
        """What `document` wrote. Raises registry.tag_values.Malformed on anything else."""
        run_id = text_of(said, "run") if "run" in said else ""
        return cls(
            text_of(said, "gate"),
            flag_of(said, "passed"),
            text_of(said, "found"),
            text_of(said, "wanted"),
            run_id,
        )
