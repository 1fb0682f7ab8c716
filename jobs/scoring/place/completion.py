"""How far an output is: what its files and its own notes say is done, and what there is left to do."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from ...errors import JobFailed
from . import plan as plans_
from .counting import Counts, counts, said_by
from .delta import Commits
from .notes import read_as
from .parts import Open, Parts
from .plan import Compared, Plan
from .stores import PRIVATE, Store
from .writer import Told


@dataclass(frozen=True, slots=True)
class Output:
    """A place and the job that it belongs to; `job` is in the name of each of its files. `commits`: of a table."""

    store: Store
    job: str
    commits: Commits | None = None
    quarantine: Store | None = None

    @property
    def named(self) -> str:
        """A chunk's file, for `format`."""
        return f"part-{{}}-{self.job}.parquet"

    def chunks(self) -> set[str]:
        """The names of the chunks that are there."""
        before, _, after = self.named.partition("{}")
        names = set(self.store.names()) | (self.commits.told().keys() if self.commits else set())
        return {
            name[len(before) : -len(after)]
            for name in names
            if name.startswith(before) and name.endswith(after)
        }

    def create(self, schema: StructType) -> None:
        """The table, where there is to be one and is none."""
        if self.commits:
            self.commits.create(to_arrow_schema(schema, timezone="UTC"))

    def complete(self) -> None:
        """Show readers what is there, where showing takes more than being there."""
        if self.commits:
            self.commits.complete()
            self.show({})

    def show(self, told: Told) -> None:
        """The same, of chunks by what they told; all of them where nothing is told."""
        if self.commits:
            self.commits.enter(told or map(self.named.format, self.chunks()), told)


@dataclass(frozen=True, slots=True)
class Finished:
    """That all plans up to the number `through` are done, with which `chunks`, and what these hold."""

    through: int = 0
    rows: int = 0
    by_status: Mapping[str, int] = field(default_factory=dict)
    chunks: Sequence[str] = ()
    run_id: str = ""

    @property
    def counts(self) -> Counts:
        """Of all chunks."""
        return Counts(self.rows, self.by_status)


@dataclass(frozen=True, slots=True)
class State:
    """How far an output is: what is `finished`, the plans that are `open`, and the chunks of these that are `done`.

    `compared`: the input now beside what was planned before.
    """

    finished: Finished
    open: Sequence[Open]
    done: frozenset[str]
    compared: Compared

    @property
    def left(self) -> int:
        """How many chunks there may be left to do."""
        return sum(name not in self.done for each in self.open for name in each.names)


def state(output: Output, parts: Parts) -> State:
    """What there is to do, once what is new is planned. Raises InputError where what was scored is another now."""
    plans, compared, new = _planned(output.store, parts)
    if new is not None:
        plans.append(plans_.make(output.store, *new))
    finished, still, done = _open(output, parts, plans)
    return State(finished, still, frozenset(done), compared)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What `state` would find: `left` chunks to do, `done` others, what is `there`, and the plan of what is `new`."""

    left: int
    done: int
    there: Counts
    new: Plan | None
    compared: Compared


def foreseen(output: Output, parts: Parts) -> Foreseen:
    """As `state`, but that nothing is kept. Raises as that does."""
    plans, compared, new = _planned(output.store, parts)
    finished, still, done = _open(output, parts, plans)
    left = sum(name not in done for each in still for name in each.names)
    there = finished.counts + held(output, done, {})
    chunks = len(finished.chunks) + len(done)
    if new is None:
        return Foreseen(left, chunks, there, None, compared)
    return Foreseen(left + new[0].chunks, chunks, there, new[0], compared)


def _planned(store: Store, parts: Parts) -> tuple[list[Plan], Compared, tuple[Plan, pa.Table] | None]:
    plans = plans_.all_of(store)
    compared = plans_.compare(store, plans, parts.inventory.rows)
    parts.check(compared)
    if not compared.new.num_rows:
        return plans, compared, None
    return plans, compared, parts.planned(max((plan.number for plan in plans), default=0) + 1, compared.new)


def _open(output: Output, parts: Parts, plans: Sequence[Plan]) -> tuple[Finished, list[Open], set[str]]:
    finished = last_finished(output.store)
    still = [Open(plan, parts.names(output.store, plan)) for plan in plans if plan.number > finished.through]
    done = output.chunks().difference(finished.chunks) if still else set()
    return finished, still, done


def finished_name(through: int) -> str:
    """Of the object that says so."""
    return f"{PRIVATE}/finished-{through:04d}.json"


def last_finished(store: Store) -> Finished:
    """What was finished last; nothing, where nothing was."""
    names = [name for name in store.names(PRIVATE) if name.startswith("finished-")]
    return read_as(Finished, store, f"{PRIVATE}/{max(names)}") if names else Finished()


def finish(output: Output, state: State, scored: Told, run_id: str) -> Counts:
    """Remember that all plans are done; gives what the output holds. `scored`: what this command's chunks said."""
    there = output.chunks()
    if unseen := scored.keys() - {output.named.format(chunk) for chunk in there}:
        raise JobFailed(
            f"{len(unseen):,} chunks that executors have written are not to be seen at {output.store.root!r} "
            "from here. The output must be where all executors and the driver see the same files."
        )
    total = state.finished.counts + held(output, there.difference(state.finished.chunks), scored)
    through = max((each.plan.number for each in state.open), default=state.finished.through)
    finished = Finished(through, total.rows, total.by_status, sorted(there), run_id)
    output.store.put(finished_name(through), json.dumps(asdict(finished)).encode())
    output.store.clear_unfinished()  # of workers that were killed while they wrote, and whose tasks others did
    return total


def there(output: Output, state: State, told: Told) -> Counts:
    """What the output holds at this moment."""
    return state.finished.counts + held(output, output.chunks().difference(state.finished.chunks), told)


def held(output: Output, chunks: Iterable[str], told: Told) -> Counts:
    """What chunks hold: as they told it, or by their files."""
    names = [output.named.format(chunk) for chunk in chunks]
    told = {**(output.commits.told() if output.commits else {}), **told}
    unknown = said_by(output.store, (name for name in names if name not in told))
    return counts([*unknown, *(told[name] for name in names if name in told)])
