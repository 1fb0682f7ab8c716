"""An evaluation that is there, and not too old."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from registry.gates.figures import age_of, fresh
from registry.gates.gate import Finding, Gate
from registry.gates.photos import OnPhotos, photos_of
from registry.toml_tables import Table
from registry.versions import ModelVersion


@dataclass(frozen=True, slots=True)
class Fresh(OnPhotos):
    """An evaluation that is there, on these photos, and not too old."""

    max_age_days: float | None = None

    @property
    def name(self) -> str:
        return "evidence"

    @property
    def wanted(self) -> str:
        age = "" if self.max_age_days is None else f" within {self.max_age_days:g} days"
        return f"evaluated{age} {self.photos}"

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """An evaluation on another digest of the data set does not count."""
        evidence = self.photos.evidence(candidate)
        if evidence is None:
            return self.photos.missing(candidate)
        step = self.photos.missing(candidate).next_step
        good = fresh(evidence.at, self.max_age_days)
        return Finding(good, age_of(evidence.at), evidence.run_id, "" if good else step)


def read(table: Table) -> Iterator[Gate]:
    """Each of `[[STAGE.evidence]]`."""
    for evidence in table.tables("evidence"):
        yield Fresh(photos_of(evidence), evidence.number("max_age_days", low=0))
        evidence.finish()
