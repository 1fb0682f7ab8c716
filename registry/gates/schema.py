"""What goes in and comes out, beside the version that is in the stage now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from registry import tag_values, tags
from registry.gates.figures import NOBODY_THERE
from registry.gates.gate import Finding, Gate
from registry.toml_tables import Table
from registry.trust import schemas
from registry.versions import ModelVersion


@dataclass(frozen=True, slots=True)
class SameSchema:
    """What goes in and comes out is as with the version now in the stage, or has additions that break nobody."""

    additions: bool = False

    @property
    def name(self) -> str:
        return "schema"

    @property
    def wanted(self) -> str:
        return "that of the current version" + (", or additions" if self.additions else "")

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """Passes where no version is there yet; a version whose schema nobody kept fails."""
        if current is None:
            return Finding(True, NOBODY_THERE)
        for version in (candidate, current):
            if version.schema is None:
                again = f"register it again: version {version.number} has no schema among its tags"
                step = "" if version.manifest_digest is None else again
                return Finding(False, f"version {version.number}: not known", next_step=step)
            if not _readable(version):
                return Finding(False, f"version {version.number}: its tag {tags.SCHEMA} cannot be read")
        differences = schemas.differences(str(current.schema), str(candidate.schema), self.additions)
        return Finding(not differences, "; ".join(differences) or f"as version {current.number}")


def _readable(version: ModelVersion) -> bool:
    """Whether the tag says columns; anybody may have written it."""
    try:
        said = tag_values.document(str(version.schema))
    except tag_values.Malformed as why:
        tag_values.skipped(tags.SCHEMA, why, version.pinned_uri)
        return False
    columns = [said.get(part) or [] for part in schemas.PARTS]
    return all(
        isinstance(part, list) and all(isinstance(column, dict) for column in part) for part in columns
    )


def read(table: Table) -> Iterator[Gate]:
    """`schema`."""
    if schema := table.text("schema", one_of=("same", "additions")):
        yield SameSchema(additions=schema == "additions")
