"""The points of a driver's own work at which it can end or wait: before and after each word that it leaves behind.

Such a word is whatever is put into or taken out of an output by the driver, a commit of a table, and what is told to
the registry. Besides, each line of the scoring job's code that is run is a point, where lines are counted.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_LINES_OF = f"{os.sep}jobs{os.sep}scoring{os.sep}"


class Points:
    """`at`: `kill`: the number of a point, from 1; `kill_line`: the number of a line; `wait`: the name of a point.

    `count_lines`: whether to count them; `shift_s`: how far this process's clock is off.
    """

    def __init__(self, at: Mapping[str, Any], folder: Path) -> None:
        self._at = at
        self._folder = folder
        self._names: list[str] = []
        self._lines = 0
        self._lock = threading.Lock()

    def install(self) -> None:
        """Into the modules of this process; what travels to workers stays as it is."""
        from jobs.scoring import outputs
        from jobs.scoring.place.delta import Commits
        from registry import Registry

        outputs.store_of = self._counting_store(outputs.store_of)
        for owner, names in (
            (Commits, ["_make"]),
            (Registry, ["resolve", "fetch", "start_run", "finish_run"]),
        ):
            for name in names:
                setattr(owner, name, self._counted(name, getattr(owner, name)))
        if "shift_s" in self._at:
            shift, now = self._at["shift_s"], time.time
            time.time = lambda: now() + shift
        if "kill_line" in self._at or self._at.get("count_lines"):
            threading.settrace(self._trace)
            sys.settrace(self._trace)

    def counted(self) -> dict[str, Any]:
        """How many points and lines there were."""
        sys.settrace(None)
        return {"points": self._names, "lines": self._lines}

    def reach(self, name: str) -> None:
        with self._lock:
            self._names.append(name)
            if len(self._names) == self._at.get("kill"):
                end_now()
        if name == self._at.get("wait"):
            waits = self._folder / "waits.new"
            waits.write_text(name)
            waits.rename(self._folder / "waits")
            while (self._folder / "waits").exists():
                time.sleep(0.005)

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.reach(f"before {name}")
            done = function(*args, **kwargs)
            self.reach(f"after {name}")
            return done

        return counted

    def _counting_store(self, store_of: Callable[..., Any]) -> Callable[..., Any]:
        from jobs.scoring.place.stores import Folder

        reach = self.reach

        class Counting(Folder):
            def __reduce__(self) -> tuple[Any, ...]:
                return Folder, (self.root,)

            def put(self, name: str, content: bytes) -> None:
                reach(f"before put {name}")
                super().put(name, content)
                reach(f"after put {name}")

            def put_new(self, name: str, content: Path) -> bool:
                reach(f"before put_new {name}")
                done = super().put_new(name, content)
                reach(f"after put_new {name}")
                return done

            def remove(self, name: str) -> None:
                super().remove(name)
                reach(f"after remove {name}")

            def clear_unfinished(self) -> None:
                super().clear_unfinished()
                reach("after clear_unfinished")

            @contextlib.contextmanager
            def unfinished(self) -> Any:
                with super().unfinished() as file:
                    yield file
                    reach("before unlink")

        def counting_store_of(job: Any) -> Any:
            store = store_of(job)
            return Counting(store.root) if isinstance(store, Folder) else store

        return counting_store_of

    def _trace(self, frame: Any, event: str, argument: Any) -> Any:
        if _LINES_OF not in frame.f_code.co_filename:
            return None
        if event == "line":
            self._lines += 1
            if self._lines == self._at.get("kill_line"):
                end_now()
        return self._trace


def end_now() -> None:
    """As whoever kills this very process."""
    os.kill(os.getpid(), signal.SIGKILL)
