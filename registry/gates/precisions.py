"""Precisions that answer like f32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from registry.gates.figures import figure
from registry.gates.gate import Finding, Gate
from registry.toml_tables import Table
from registry.versions import ModelVersion


@dataclass(frozen=True, slots=True)
class Precisions:
    """Precisions that answer like f32, as measured when the version was packaged."""

    min_agreement: float
    only: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "precisions"

    @property
    def wanted(self) -> str:
        which = ", ".join(self.only) or "each precision"
        return f"{which} agrees with f32 on >= {self.min_agreement:g}"

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """Every precision besides f32 that the version has, or those named, which it must have."""
        asked = self.only or tuple(name for name in candidate.precisions if name != "f32")
        if not asked:
            return Finding(True, "f32 only")
        agreements = {name: candidate.measured.get(name, {}).get("agreement") for name in asked}
        found = ", ".join(
            f"{name} {'not measured' if value is None else figure(value)}"
            for name, value in agreements.items()
        )
        passed = all(value is not None and value >= self.min_agreement for value in agreements.values())
        measured = None not in agreements.values() or candidate.manifest_digest is None
        step = "" if measured else f"stagewright register {candidate.name} --golden DIR --precision …"
        return Finding(passed, found, next_step=step)


def read(table: Table) -> Iterator[Gate]:
    """`[STAGE.precisions]`."""
    said = table.table("precisions")
    if said is None:
        return
    bound, only = said.number("min_agreement", low=0, high=1), said.words("only")
    said.finish()
    if bound is None:
        raise said.wrong("min_agreement", "is missing")
    yield Precisions(bound, only)
