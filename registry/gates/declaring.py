"""`[stages]` of `gates.toml`: which stages there are besides MLflow's, and which a version has to pass before which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter

from registry.errors import InvalidStage
from registry.hooks.declaring import HOOKS
from registry.toml_tables import Table
from registry.versions import DeclaredStage, Place, Stage

STAGES = "stages"
# A version can be moved there, and can have to come from elsewhere.
OWN = (Stage.STAGING, Stage.PRODUCTION)
# As many as the ledger's event has room for beside other gates.
MAX_AFTER = 8


def read(whole: Table) -> dict[Place, tuple[Place, ...]]:
    """Each stage of the file and MLflow's two, with those that come before it. Raises UserError."""
    said = whole.table(STAGES) or Table(whole.file, STAGES, {})
    declared: list[Place] = [*OWN, *_declared(said)]
    order = {stage: tuple(_before(said, stage, declared)) for stage in declared}
    try:
        TopologicalSorter(order).prepare()
    except CycleError as fault:
        circle = " after ".join(reversed(fault.args[1]))
        raise whole.wrong(STAGES, f"can be passed in no order: {circle}") from None
    return order


def _declared(said: Table) -> Iterator[DeclaredStage]:
    seen = dict[str, str]()
    for name in said.keys:
        if name in OWN:
            continue
        try:
            stage = DeclaredStage.parse(name)
        except InvalidStage as fault:
            raise said.wrong(name, f"is no stage. {fault}".rstrip(".")) from None
        if name.lower() in _TAKEN:
            raise said.wrong(name, "is the name of another table of the file")
        if (other := seen.setdefault(name.lower(), name)) != name:
            raise said.wrong(name, f"differs from {other!r} in case only, which some registries take for one")
        yield stage


def _before(said: Table, stage: Place, declared: Sequence[Place]) -> Iterator[Place]:
    table = said.table(stage.value)
    if table is None:
        return
    names = table.words("after")
    table.finish()
    if len(names) > MAX_AFTER:
        raise table.wrong("after", f"names {len(names)} stages; at most {MAX_AFTER}")
    for name in dict.fromkeys(names):
        found = next((other for other in declared if other.value == name), None)
        if found is None:
            known = ", ".join(other.value for other in declared)
            raise table.wrong("after", f"names {name!r}, which is no stage here; there are {known}")
        yield found


_TAKEN = (STAGES, HOOKS)
