"""No warnings of Pillow while a photo is decoded: what is odd in it belongs to its row, not to a log."""

import logging
import threading
import warnings
from types import TracebackType
from typing import Final

# What Pillow logs goes where a process has logging go; without this, where it has none, to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class _Silenced:
    """While any thread is inside, Pillow's warnings are not shown, nor turned into errors.

    `warnings.catch_warnings` restores what it found, so threads that overlap would restore each other's
    filters: the first one in sets the filter, the last one out takes it away.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._caught.__exit__(kind, error, trace)


SILENCED: Final = _Silenced()
"""A context for any number of threads at a time."""
