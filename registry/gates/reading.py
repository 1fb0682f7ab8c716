"""`gates.toml`: one table a stage, each typo told at once, before anything is asked of a registry."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import ClassVar

from registry.errors import InvalidStage, UserError
from registry.gates import declaring, trusted
from registry.gates.gate import LEDGER_CHARS, Gate, Judges
from registry.hooks import declaring as hooks
from registry.hooks.hook import Hook
from registry.toml_tables import Table
from registry.versions import Place, Stage

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
# What else the file says.
TABLES = (declaring.STAGES, hooks.HOOKS)
GATES = tuple(import_module(f"registry.gates.{file}").read for file in FILES)


@dataclass(frozen=True, slots=True)
class Gates:
    """Which stages there are besides MLflow's, what each asks for, and who is told of moves."""

    DEFAULT_FILE: ClassVar[str] = "gates.toml"

    stages: Mapping[Place, Judges]
    hooks: tuple[Hook, ...] = ()

    @classmethod
    def load(cls, file: Path | str = "gates.toml") -> Gates:
        """Read a file of gates; docs/gates.md has all of its keys.

        Raises UserError, which names file, table and key: on what is unknown or has the wrong shape, and on
        more gates in a stage than one event of the ledger can hold the verdicts of.
        """
        whole = Table.load(Path(file))
        declared = declaring.read(whole)
        for key in whole.keys:
            if key not in declared and key not in TABLES:
                known = ", ".join(stage.value for stage in declared)
                raise whole.wrong(
                    key, f"is no stage with gates; there are {known}, and what [stages] declares"
                )
        judges = {stage: _judges(whole, stage, after) for stage, after in declared.items()}
        return cls(judges, _hooks(whole, declared))

    def stage(self, name: str) -> Place:
        """A stage by its name, MLflow's in any case. Raises InvalidStage, with those that are declared."""
        declared = next((stage for stage in self.stages if stage.value == name), None)
        if declared is not None:
            return declared
        try:
            return Stage.parse(name)
        except InvalidStage:
            own = ", ".join(stage.value for stage in Stage)
            others = ", ".join(stage.value for stage in self.stages if not isinstance(stage, Stage))
            raise InvalidStage(
                f"There is no stage {name!r}; there are {own}, and declared: {others or 'none'}.",
                f"Declare it in {self.DEFAULT_FILE}, as `[stages.{name}]`.",
            ) from None

    def of(self, stage: Place | str) -> Judges:
        """The judge of a stage; one without gates where the file asks nothing of it. Raises InvalidStage."""
        where = self.stage(stage)
        return self.stages.get(where, Judges((), where))


def _hooks(whole: Table, declared: Collection[Place]) -> tuple[Hook, ...]:
    known = {stage.value for stage in (*Stage, *declared)}
    found = hooks.read(whole)
    for hook in found:
        if unknown := sorted(hook.stages - known):
            raise whole.wrong(
                hooks.HOOKS, f"{hook.name!r} names {unknown[0]!r}; there are {', '.join(sorted(known))}"
            )
    return found


def _judges(whole: Table, stage: Place, after: tuple[Place, ...]) -> Judges:
    table = whole.table(stage.value)
    if table is None:
        return Judges((), stage, after)
    return _fitting(table, Judges(tuple(_gates(table)), stage, after))


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
