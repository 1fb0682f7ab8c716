"""Which evaluations a gate means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from registry.errors import UserError
from registry.gates import steps
from registry.gates.evidence import Evidence, checked_dataset, evidence_of
from registry.gates.gate import Finding
from registry.gates.signed_figures import signed_evidence
from registry.toml_tables import Table
from registry.trust.signing import PublicKey
from registry.versions import ModelVersion

MIN_DIGEST_CHARS = 8


@dataclass(frozen=True, slots=True)
class Photos:
    """Which evaluations count: a data set's name, a precision, how its digest begins, and who has to have signed."""

    dataset: str
    precision: str = "f32"
    digest: str = ""
    keys: tuple[PublicKey, ...] = ()

    def evidence(self, version: ModelVersion) -> Evidence | None:
        """The evaluation of a version on these photos; with `keys`, what one of them signed of it."""
        found = self._kept(version)
        return signed_evidence(version, found, self.keys) if found and self.keys else found

    def _kept(self, version: ModelVersion) -> Evidence | None:
        for found in evidence_of(version):
            if (found.dataset, found.precision) == (self.dataset, self.precision):
                return found if found.dataset_digest.startswith(self.digest) else None
        return None

    def missing(self, version: ModelVersion, whose: str = "") -> Finding:
        """The failure where there is no such evaluation, or none that counts, with the command that makes it."""
        step = steps.evaluate(version, self.dataset, self.precision, signed=bool(self.keys))
        found = "not signed by these keys" if self.keys and self._kept(version) else "not evaluated"
        return Finding(False, f"{whose}{found}".strip(), next_step=step)

    def __str__(self) -> str:
        said = f"on {self.dataset} at {self.precision}" + (f" ({self.digest[:12]})" if self.digest else "")
        return f"{said}, signed" if self.keys else said


@dataclass(frozen=True, slots=True)
class OnPhotos:
    """A gate's own part in evaluations: which of them count."""

    photos: Photos

    def signed_by(self, keys: tuple[PublicKey, ...]) -> Self:
        """Only signed figures count."""
        return replace(self, photos=replace(self.photos, keys=keys))


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
