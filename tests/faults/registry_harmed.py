"""A registry's server that is killed, or falls silent, while a job needs it."""

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import psutil

from mlruns_fixture.build import NAME
from registry import Registry
from tests.clusters import MlflowServer
from tests.faults.bench import Work
from tests.faults.fault import Fault, Injected

# Where a driver is when its registry goes.
POINTS = ("before resolve", "before fetch", "before start_run", "before finish_run")
_ONE_LINE = "ends within seconds, and the same command goes on"


class Server:
    """A real one over HTTP, with the colours model in it; its processes are known by their ids."""

    def __init__(self, folder: Path, packaged: Path) -> None:
        folder.mkdir(parents=True)
        self._database = folder / "mlflow.db"
        self.server = MlflowServer(f"sqlite:///{self._database}", folder / "artifacts")
        self.server.__enter__()
        registry = Registry(self.server.url)
        registry.register(packaged, NAME, {"made-by": "mlruns_fixture"})
        registry.promote(NAME, 1, "Production", because="the first one")

    def processes(self) -> list[psutil.Process]:
        found = [psutil.Process(session) for session in self.server.session_ids]
        return [each for process in found for each in process.children(recursive=True)]

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Stopped while inside, connections open."""
        stopped = self.processes()
        _signal(stopped, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(stopped, signal.SIGCONT)

    @contextmanager
    def dead(self) -> Iterator[None]:
        """Killed, and started again at the end."""
        _signal(self.processes(), signal.SIGKILL)
        self.server.end()
        try:
            yield
        finally:
            self.server.__enter__()

    def running(self) -> tuple[str, ...]:
        with closing(sqlite3.connect(self._database, timeout=60)) as database:
            found = database.execute("SELECT run_uuid FROM runs WHERE status = 'RUNNING'").fetchall()
        return tuple(f"run {row[0]} says RUNNING" for row in found)

    def end(self) -> None:
        self.server.end()


def silent(work: Work, chance: Random, most: int) -> Injected:
    """At one of POINTS."""
    server = work.bench.server()
    return _without(work, chance.choice(POINTS), server, server.silent)


def killed(work: Work, chance: Random, most: int) -> Injected:
    """At one of POINTS."""
    server = work.bench.server()
    return _without(work, chance.choice(POINTS), server, server.dead)


def _without(work: Work, point: str, server: Server, harm: object) -> Injected:
    work = replace(work, registry=server.server.url)
    driver = work.start(at={"wait": point})
    driver.wait_at_point()
    with harm():  # type: ignore[operator]
        driver.go_on()
        ended = driver.wait(120)
        assert ended.returncode in (0, 1), ended
    since = time.monotonic()
    for _ in range(2):  # the second has nothing to do, and completes what the first could not tell
        work.run().check()
    return Injected(1, time.monotonic() - since, server.running())


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


FAULTS = (
    Fault(
        "registry's server stopped at resolve, download, start or final record",
        _ONE_LINE,
        silent,
        1,
        at_most=20,
        long=True,
    ),
    Fault(
        "registry's server killed at resolve, download, start or final record",
        _ONE_LINE,
        killed,
        1,
        at_most=8,
        long=True,
    ),
)
