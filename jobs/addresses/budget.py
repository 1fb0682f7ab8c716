"""How many bytes may wait: of all photos that were fetched ahead, and of each."""

import sys
import threading
import time
from dataclasses import dataclass

from pyspark import cloudpickle

from .fault import TOO_LARGE, UNREACHABLE, NoPhoto

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


class Ended(Exception):
    """Nobody wants the photos any more."""


class Budget:
    """Bytes in memory; where they are spent, only the photo that is waited for gets more, so that all goes on."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._wanted = 0
        self._ended = False
        self._changed = threading.Condition()

    def want(self, number: int) -> None:
        """Photo `number` is waited for, and all before it are there."""
        with self._changed:
            self._wanted = number
            self._changed.notify_all()

    def take(self, number: int, size: int) -> None:
        """Wait until so many bytes more may be held. Raises Ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._may(number, size))
            if self._ended:
                raise Ended
            self._held += size

    def give(self, size: int) -> None:
        """So many are held no more."""
        with self._changed:
            self._held -= size
            self._changed.notify_all()

    def end(self) -> None:
        """Whoever waits is told that nobody wants the photos any more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether nobody wants the photos any more."""
        return self._ended

    def _may(self, number: int, size: int) -> bool:
        return self._ended or self._held + size <= self._size or number == self._wanted


@dataclass(frozen=True)
class Limits:
    """Of one photo: bytes, and seconds with all that is tried again."""

    max_bytes: int
    timeout_s: float


class Allowance:
    """What one photo may take of a budget, and of time."""

    def __init__(self, budget: Budget, number: int, limits: Limits) -> None:
        self._budget, self._number, self._limits = budget, number, limits
        self._until = time.monotonic() + limits.timeout_s
        self._taken = 0

    @property
    def left_s(self) -> float:
        """Seconds until it is given up."""
        return self._until - time.monotonic()

    def check(self) -> None:
        """Raises NoPhoto once its time is over, and Ended."""
        if self._budget.ended:
            raise Ended
        if self.left_s <= 0:
            raise NoPhoto(
                UNREACHABLE, f"it did not come within {self._limits.timeout_s:g} s (--photo-timeout)"
            )

    def take(self, size: int) -> None:
        """Room for more bytes. Raises NoPhoto where they are more than a photo may have."""
        if self._taken + size > self._limits.max_bytes:
            raise NoPhoto(TOO_LARGE, f"it has more than {self._limits.max_bytes} bytes (--max-bytes)")
        self._budget.take(self._number, size)
        self._taken += size

    def keep(self, size: int) -> None:
        """What came has so many bytes, and what else was taken is given back."""
        self._budget.give(self._taken - size)
        self._taken = size
