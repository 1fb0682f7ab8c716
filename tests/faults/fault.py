"""What a fault is: something done to a job, after which the same command again must have all that was promised."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.faults.bench import Work


@dataclass(frozen=True, slots=True)
class Injected:
    """How many `times` a round did harm, and the seconds from the last of them until the job was complete.

    `left`: what still runs and should not. `rows_again`: of each time, how many rows were scored in vain, where that
    was counted.
    """

    times: int
    recover_s: float
    left: tuple[str, ...] = ()
    rows_again: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """`outcome`: what becomes of the job, in words. `run` does the harm and has the job completed.

    `times`: how often it does harm in one job of a soak, at most; `at_most`: rounds, where one is slow. `long`: too
    slow for `make test`, and played by `make soak-smoke`.
    """

    name: str
    outcome: str
    run: Callable[[Work, Random, int], Injected]
    times: int
    at_most: int = 1_000_000
    long: bool = False


def completed(work: Work, times: int, since: float, left: tuple[str, ...] = ()) -> Injected:
    """By the same command, again; `since`: when the last harm was done."""
    # A dead driver's tasks have lost their model to its successor, and a JVM of its own would have ended with it.
    work.run(cancel=True).check()
    return Injected(times, time.monotonic() - since, left)
