"""A few rows of any number: those of the lowest rank, in memory for these alone."""

import hashlib
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Row = TypeVar("Row")
Ranks = NDArray[np.float64]


class Lowest(Generic[Row]):
    """The `most` rows of the lowest rank among all that are offered; the first of equals."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[tuple[float, Row]] = []

    def offer(self, ranks: Ranks, row: Callable[[int], Row]) -> None:
        """A rank for each row of a batch, and what gives the row at a position; rows of rank NaN are none."""
        bar = self._kept[-1][0] if len(self._kept) == self._most else np.inf
        at = np.flatnonzero(ranks < bar)
        at = at[np.argsort(ranks[at], kind="stable")[: self._most]]
        new = [(float(ranks[i]), row(int(i))) for i in at]
        self._kept = sorted([*self._kept, *new], key=lambda pair: pair[0])[: self._most]

    @property
    def rows(self) -> list[Row]:
        """In the order of their ranks."""
        return [row for _, row in self._kept]


def random_of(name: str) -> np.random.Generator:
    """Random numbers that are the same each time for a file of this name: so is the sample of an output."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
