"""How many photos the workers of this machine have read, told while their tasks run.

Spark hears of rows when a whole Arrow batch is answered, which may be all of a task, and tells every ten seconds.
On a local master workers and driver see the same files: each photo that is read is a byte more of one of them.
The part that runs on a worker travels by value, as `arrivals` does.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

from pyspark import cloudpickle

from . import hangs

EVERY_S = 0.2
_FILE = "photos-read"

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


def file_in(folder: Path) -> str:
    """The file that workers add to, in a folder of this process's own."""
    file = folder / _FILE
    file.touch(mode=0o600)
    return str(file)


def read(folder: Path) -> int:
    """How many photos workers have told of since this process began: some tens more than they have answered."""
    try:
        return (folder / _FILE).stat().st_size
    except OSError:
        return 0


def count(model: Any, file: str) -> None:
    """Have this process tell of each photo that `model`, MLflow's PythonModel, reads."""
    owner, name = list(hangs.where_read(model))[-1]  # of a pair one side's: both look at each photo
    tally = _Tally(file)
    if hasattr(owner, name):
        setattr(owner, name, tally.around(getattr(owner, name)))


class _Tally:
    def __init__(self, file: str) -> None:
        self._file = file
        self._photos = 0
        self._told = time.monotonic()
        self._lock = Lock()

    def around(self, look: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **more: Any) -> Any:
            found = look(*given, **more)
            with self._lock:
                self._photos += 1
                if time.monotonic() - self._told >= EVERY_S:
                    self._tell()
            return found

        return counted

    def _tell(self) -> None:
        """Each write is added whole, whoever writes beside it; where there is no such file, nobody wants to know."""
        try:
            into = os.open(self._file, os.O_WRONLY | os.O_APPEND)
        except OSError:
            return
        try:
            os.write(into, b"." * self._photos)
        except OSError:
            return
        finally:
            os.close(into)
        self._photos, self._told = 0, time.monotonic()
