"""Several people who agree that a version may stand in the stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from registry.gates import steps
from registry.gates.gate import Finding, Gate
from registry.gates.trusted import keys_of
from registry.toml_tables import Table
from registry.trust.approvals import approves
from registry.trust.signing import PublicKey
from registry.versions import ModelVersion, Place, place

# As many as a line of the ledger names.
MAX_KEYS = 20
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Approved:
    """At least `number` of these keys, which are all different, approved of the version for the stage."""

    stage: Place
    keys: tuple[PublicKey, ...]
    number: int

    @property
    def name(self) -> str:
        return "signatures"

    @property
    def wanted(self) -> str:
        return f"approved by {self.number} of {_shown(self.keys)}"

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """An approval of another model, version or stage, or of other bytes, is none."""
        who = [key for key in self.keys if approves(candidate, self.stage, key)]
        passed = len(who) >= self.number
        step = steps.approve(candidate, self.stage.value)
        found = f"{len(who)}: {_shown(who)}" if who else "none"
        return Finding(passed, found, next_step="" if passed else step)


def _shown(keys: tuple[PublicKey, ...] | list[PublicKey]) -> str:
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return ", ".join(key.shown for key in keys[:_NAMED]) + more


def read(table: Table) -> Iterator[Gate]:
    """`signatures` and `public_keys`."""
    asked = table.number("signatures", low=1, high=MAX_KEYS)
    if asked is None:
        return
    if asked != int(asked):
        raise table.wrong("signatures", f"is no whole number: {asked}")
    keys = keys_of(table, "signatures")
    if len(keys) < asked:
        raise table.wrong("signatures", f"is {asked:g}, and public_keys has {len(keys)} different keys")
    yield Approved(place(table.path), keys, int(asked))
