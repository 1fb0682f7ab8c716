"""`gates.toml`: one table a stage, each typo told at once, before anything is asked of a registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import ClassVar

from registry.errors import UserError
from registry.gates import trusted
from registry.gates.gate import LEDGER_CHARS, Gate, Judges
from registry.toml_tables import Table
from registry.versions import Stage

STAGES = (Stage.STAGING, Stage.PRODUCTION)
# The gates, one file each: its `read` takes what it knows out of a stage's table, and a line here names it.
FILES = (
    "metrics",
    "freshness",
    "comparing",
    "precisions",
    "schema",
    "tagged",
    "pickles",
    "signed",
    "approved",
)
GATES = tuple(import_module(f"registry.gates.{file}").read for file in FILES)


@dataclass(frozen=True, slots=True)
class Gates:
    """What each stage asks for."""

    DEFAULT_FILE: ClassVar[str] = "gates.toml"

    stages: Mapping[Stage, Judges]

    @classmethod
    def load(cls, file: Path | str = "gates.toml") -> Gates:
        """Read a file of gates; docs/gates.md has all of its keys.

        Raises UserError, which names file, table and key: on what is unknown or has the wrong shape, and on
        more gates in a stage than one event of the ledger can hold the verdicts of.
        """
        whole = Table.load(Path(file))
        known = ", ".join(stage.value for stage in STAGES)
        stages: dict[Stage, Judges] = {}
        for key in whole.keys:
            stage = next((stage for stage in STAGES if stage.value == key), None)
            table = whole.table(key) if stage else None
            if stage is None or table is None:
                raise whole.wrong(key, f"is no stage with gates; there are {known}")
            stages[stage] = _fitting(table, Judges(tuple(_gates(table))))
        return cls(stages)

    def of(self, stage: Stage | str) -> Judges:
        """The judge of a stage; one without gates where the file does not mention it."""
        return self.stages.get(Stage.parse(stage), Judges(()))


def _gates(table: Table) -> Iterator[Gate]:
    yield from trusted.demanding((gate for read in GATES for gate in read(table)), table)
    table.finish()


def _fitting(table: Table, judges: Judges) -> Judges:
    if judges.ledger_chars > LEDGER_CHARS:
        raise UserError(
            f"{table.where} has {len(judges.gates)} gates, whose verdicts take {judges.ledger_chars} characters; "
            f"one event of the ledger keeps {LEDGER_CHARS}.",
            "Ask for less: about 12 gates fit, each with short names.",
        )
    return judges
