"""A photo that is read for too long ends the process that reads it, which costs every other one a microsecond.

Whoever started the process reads the photo again where that harms nobody: `isolation`. The kernel's alarm ends it, so
that it does so too where a decoder keeps Python's lock for ever. This travels by value, as `arrivals` does.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any

from pyspark import cloudpickle

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


def watch(model: Any, limit_s: float) -> None:
    """Have this process end by SIGALRM once `model`, MLflow's PythonModel, reads a photo for `limit_s` seconds.

    Where several threads read, the time counts from the last photo that another one began or ended: they stop soon,
    for what is read ahead is bounded. Nothing is watched where the process has a use of its own for that alarm.
    """
    if signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL:
        return
    alarm = _Alarm(limit_s)
    for owner, name in where_read(model):
        if hasattr(owner, name):
            setattr(owner, name, alarm.around(getattr(owner, name)))


class _Alarm:
    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._reading = 0
        self._lock = Lock()

    def around(self, read: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*given: Any, **more: Any) -> Any:
            self._count(1)
            try:
                return read(*given, **more)
            finally:
                self._count(-1)

        return watched

    def _count(self, more: int) -> None:
        with self._lock:
            self._reading += more
            signal.setitimer(signal.ITIMER_REAL, self._limit_s if self._reading else 0)


def where_read(model: Any) -> Iterator[tuple[Any, str]]:
    """Where a wrapper, of whatever version, turns one photo into pixels; a pair does it by its two sides."""
    sides = getattr(model, "sides", None)
    if sides is None:
        yield model, "read"
        return
    for side in sides:
        yield from ((side.model, name) for name in ("decode", "prepare"))
