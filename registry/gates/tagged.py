"""Tags that a version must have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from registry.gates.gate import Finding, Gate
from registry.toml_tables import Table
from registry.versions import ModelVersion


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag that is there, or has a value."""

    key: str
    value: str | None = None

    @property
    def name(self) -> str:
        return "tag"

    @property
    def wanted(self) -> str:
        return self.key if self.value is None else f"{self.key}={self.value}"

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """An empty tag is as good as none."""
        found = candidate.tags.get(self.key, "")
        passed = found == self.value if self.value is not None else bool(found)
        # Not by `register --tag`: a version that exists keeps its tags, so it is set where it lives.
        step = f"set the tag {self.key} of version {candidate.number} in MLflow (set_model_version_tag)"
        return Finding(passed, found or "missing", next_step="" if passed else step)


def read(table: Table) -> Iterator[Gate]:
    """`[STAGE.tags]`."""
    said = table.table("tags")
    for key, value in said.items() if said else ():
        if value is True:
            yield Tagged(key)
        elif isinstance(value, str) and value:
            yield Tagged(key, value)
        else:
            assert said is not None
            raise said.wrong(key, f"is neither true (the tag is there) nor a value: {value!r}")
