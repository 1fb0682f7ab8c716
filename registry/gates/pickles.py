"""Nothing that travels as a pickle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from registry.gates.gate import Finding, Gate
from registry.toml_tables import Table
from registry.versions import ModelVersion


@dataclass(frozen=True, slots=True)
class NoPickle:
    """Nothing of the version travels as a pickle."""

    @property
    def name(self) -> str:
        return "no-pickle"

    @property
    def wanted(self) -> str:
        return "no pickled part"

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """A version that stagewright did not package fails: nobody knows what it holds."""
        if candidate.manifest_digest is None:
            return Finding(False, "not packaged by stagewright")
        return Finding(not candidate.pickled, ", ".join(candidate.pickled) or "none")


def read(table: Table) -> Iterator[Gate]:
    """`no_pickle`."""
    if table.flag("no_pickle"):
        yield NoPickle()
