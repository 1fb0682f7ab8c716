"""The keys that a stage trusts, and figures that one of them has to have signed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from registry.gates.gate import Gate
from registry.toml_tables import Table
from registry.trust.signing import PublicKey

KEYS = "public_keys"
# Each of these asks for signatures by the keys.
SIGNED, SIGNED_EVIDENCE, SIGNATURES = "signed", "signed_evidence", "signatures"


@runtime_checkable
class Evidential(Protocol):
    """A gate that looks at the figures of an evaluation or a comparison."""

    def signed_by(self, keys: tuple[PublicKey, ...]) -> Gate:
        """The same gate, for which only figures count that one of these keys signed."""


def keys_of(table: Table, asked_by: str) -> tuple[PublicKey, ...]:
    """The different keys of `public_keys`, files beside this one. Raises UserError where there is none."""
    files = table.words(KEYS)
    if not files:
        raise table.wrong(asked_by, f"needs {KEYS}, files beside this one such as ['release.pem']")
    folder = Path(table.file).parent
    return tuple(dict.fromkeys(PublicKey.read(folder / file) for file in files))


def demanding(gates: Iterable[Gate], table: Table) -> Iterator[Gate]:
    """The gates of a stage; with `signed_evidence`, those that look at figures look at signed ones only."""
    if not table.flag(SIGNED_EVIDENCE):
        yield from gates
        return
    keys = keys_of(table, SIGNED_EVIDENCE)
    for gate in gates:
        yield gate.signed_by(keys) if isinstance(gate, Evidential) else gate
