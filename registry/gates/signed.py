"""Who signed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from registry import tags
from registry.errors import ForeignVersion, SignatureRefused
from registry.gates import trusted
from registry.gates.gate import Finding, Gate
from registry.toml_tables import Table
from registry.trust import signing
from registry.versions import ModelVersion


@dataclass(frozen=True, slots=True)
class Signed:
    """One of these keys signed the version."""

    keys: tuple[signing.PublicKey, ...]

    @property
    def name(self) -> str:
        return "signed"

    @property
    def wanted(self) -> str:
        return f"signed by {' or '.join(key.shown for key in self.keys)}"

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """Reads the tags; the files are held against what was signed when the version is fetched."""
        try:
            return Finding(True, f"by {signing.verify(candidate, self.keys).shown}")
        except ForeignVersion:
            return Finding(False, "not packaged by stagewright")
        except SignatureRefused as refused:
            tried = any(tags.signature(key.fingerprint) in candidate.tags for key in self.keys)
            found = "not a signature of this version" if tried else "not signed by these keys"
            return Finding(False, found, next_step=refused.hint)


def read(table: Table) -> Iterator[Gate]:
    """`signed` and `public_keys`."""
    if table.flag(trusted.SIGNED):
        yield Signed(trusted.keys_of(table, trusted.SIGNED))
    elif table.words(trusted.KEYS) and not _of_use(table):
        raise table.wrong(
            trusted.KEYS, "is of use only with signed = true, signed_evidence = true or signatures = 2"
        )


def _of_use(table: Table) -> bool:
    return table.flag(trusted.SIGNED_EVIDENCE) or table.number(trusted.SIGNATURES) is not None
