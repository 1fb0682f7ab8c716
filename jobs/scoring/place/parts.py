"""What an input must be able to say of itself so that a job on it can go on where it stopped."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
from pyspark.sql import DataFrame

from .plan import Compared, Plan
from .stores import Store
from .writer import Batches


@dataclass(frozen=True, slots=True)
class Open:
    """A plan that is not done. `names`: its chunks; of a table, those that may be, for a split can be without rows."""

    plan: Plan
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Inventory:
    """One row for each photo, or for each file of a table, as it is now: `path`, `modificationTime`, `length`, …

    `left_out`: how many files the search for photos passed by, by reason.
    """

    rows: pa.Table
    left_out: Mapping[str, int] = field(default_factory=dict)


class Parts(Protocol):
    """An input that can be cut into chunks which stay the same from command to command."""

    inventory: Inventory
    content_as: str | None
    """What the rows' content is, as `ScoreOptions.content_as`."""

    roots: tuple[str, ...]
    """Where photos that are fetched may lie; empty where the options say."""

    def settings(self) -> dict[str, str]:
        """Settings of Spark that hold while the rows are read."""

    def like(self) -> DataFrame:
        """A frame with the columns of the rows, not to be evaluated."""

    def some(self, rows: int) -> DataFrame:
        """At most so many of the rows, with the columns of `like`, from all over the input where that costs little."""

    def planned(self, number: int, new: pa.Table) -> tuple[Plan, pa.Table]:
        """A plan of what is new, and its rows."""

    def names(self, store: Store, plan: Plan) -> list[str]:
        """The names of a plan's chunks, as `Open` has them."""

    def frame(self, store: Store, plans: Sequence[Open], done: frozenset[str]) -> DataFrame:
        """The rows of all chunks but those `done`, with the column CHUNK; those of one chunk are in one task."""

    def check(self, compared: Compared) -> None:
        """Raises InputError where what was scored before is not what is there now."""

    def rows(self, plans: Sequence[Plan]) -> int:
        """How many rows there are in all, at most."""

    def unpacking(self, keep: Sequence[str]) -> Callable[[Batches], Batches] | None:
        """Where rows of `frame` hold many photos each: what makes rows of photos of them, on a worker.

        They have the kept columns, CONTENT, FAULT and CHUNK. None where each is one photo.
        """
