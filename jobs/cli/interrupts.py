"""A command that is asked to end does so as with Ctrl-C: what it began says so, and its temporary files go."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

ASKED_TO_END = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def heeded() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise KeyboardInterrupt; the second one ends the process at once.

    One that is ignored, as with nohup, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ASKED_TO_END}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def as_before_spark() -> None:
    """Have Ctrl-C raise KeyboardInterrupt and no more: PySpark asks its JVM to cancel what runs, whose end does that.

    It asks on the very connection that it interrupts, which tells the console a page about that.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt
