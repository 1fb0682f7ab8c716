"""What is done again and again while something else goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def every(seconds: float, do: Callable[[], bool | None], name: str) -> Iterator[None]:
    """`do`, in a thread of this name, while inside: first after so many seconds, and not again once it gives True."""
    ended = Event()

    def again() -> None:
        while not ended.wait(seconds) and not do():
            pass

    thread = Thread(target=again, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
