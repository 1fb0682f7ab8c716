"""Which evaluations a gate means."""

from __future__ import annotations

from dataclasses import dataclass

from registry.errors import UserError
from registry.gates.evidence import Evidence, checked_dataset, evidence_of
from registry.gates.gate import Finding
from registry.toml_tables import Table
from registry.versions import ModelVersion

MIN_DIGEST_CHARS = 8


@dataclass(frozen=True, slots=True)
class Photos:
    """Which evaluations count: a data set's name, a precision, and how its digest begins."""

    dataset: str
    precision: str = "f32"
    digest: str = ""

    def evidence(self, version: ModelVersion) -> Evidence | None:
        """The evaluation of a version on these photos."""
        for found in evidence_of(version):
            if (found.dataset, found.precision) == (self.dataset, self.precision):
                return found if found.dataset_digest.startswith(self.digest) else None
        return None

    def missing(self, version: ModelVersion, whose: str = "") -> Finding:
        """The failure where there is no such evaluation, with the command that makes it."""
        step = f"stagewright evaluate {version.pinned_uri} --images DIR --labels CSV --dataset {self.dataset}"
        if self.precision != "f32":
            step += f" --precision {self.precision}"
        return Finding(False, f"{whose}not evaluated".strip(), next_step=step)

    def __str__(self) -> str:
        return f"on {self.dataset} at {self.precision}" + (f" ({self.digest[:12]})" if self.digest else "")


def photos_of(table: Table) -> Photos:
    """The keys `dataset`, `precision` and `digest` of a table. Raises UserError."""
    digest = table.text("digest") or ""
    if digest and len(digest) < MIN_DIGEST_CHARS:
        raise table.wrong("digest", f"{digest!r} is shorter than {MIN_DIGEST_CHARS} characters")
    return Photos(dataset_of(table), table.text("precision") or "f32", digest)


def dataset_of(table: Table) -> str:
    """The key `dataset` of a table. Raises UserError."""
    try:
        return checked_dataset(table.needed_text("dataset"))
    except UserError as fault:
        raise UserError(f"{table.where} {fault.message}") from None
