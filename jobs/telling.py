"""How far a job is, told to a person: by whoever can show it, else by a line now and then."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

_FIRST_S, _MOST_S = 2.0, 60.0
# Each pause is this much of the time that has passed: a short job says a few lines, and a long one not thousands.
_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Step:
    """`rows` are done of `total`, `bad` of them without a prediction; None where that is not known.

    `rate`: rows a second, of late. `tasks`: how many of Spark's tasks are done, and of how many. `seconds`: how long
    it has been at work.
    """

    rows: int
    total: int | None
    bad: int | None
    rate: float
    tasks: tuple[int, int]
    seconds: float

    @property
    def left_s(self) -> float | None:
        """About how many seconds are left: by rows, else by tasks; None before that can be known."""
        if self.total is not None:
            return max(0, self.total - self.rows) / self.rate if self.rate else None
        done, tasks = self.tasks
        return self.seconds * (tasks - done) / done if done else None

    def line(self) -> str:
        """All of it."""
        of = f" of {self.total:,}" if self.total is not None else ""
        bad = f", {self.bad:,} without a prediction" if self.bad else ""
        left = "time left unknown" if self.left_s is None else f"about {duration(self.left_s)} left"
        return f"{self.rows:,}{of} rows, {self.rate:,.1f} rows a second{bad}, {left}"


def duration(seconds: float) -> str:
    """As `12 s`, `3 min` or `2 h 5 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


@runtime_checkable
class Shows(Protocol):
    """Whoever is told lines, and can show steps besides."""

    def __call__(self, line: str) -> None:
        """Told once."""

    def step(self, step: Step) -> None:
        """In place of the one before."""


class Lines:
    """Steps as lines: soon after the beginning, then at longer and longer intervals, up to a minute."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._next_s = _FIRST_S

    def step(self, step: Step) -> None:
        """A line, where it is time for one."""
        if step.seconds >= self._next_s:
            self._next_s = step.seconds + min(_MOST_S, max(_FIRST_S, _SHARE * step.seconds))
            self._say(step.line())
