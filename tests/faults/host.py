"""Where drivers come from: a process that has imported all they need, and forks one for each command.

Each is a driver as any other, but for the seconds of imports. It can be told to end itself, or to wait, at a certain
point of its own work (`points`); and whoever started it knows its process id, and so may do worse to it.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from tests.clusters import LeashedProcess

ROOT = Path(__file__).parents[2]
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Gateway:
    """Of a JVM that is there already, with its Spark session."""

    port: int
    secret: str


@dataclass(frozen=True, slots=True)
class Order:
    """One command `stagewright score`. `gateway` None: it starts a JVM of its own for `master`.

    `at`: what happens at which point (`points`); `limits`: of the process, as `resource` names them; `cancel`: end
    first what earlier drivers left running in the JVM.
    """

    uri: str
    input: str
    input_format: str
    output: str
    output_format: str
    keep: tuple[str, ...]
    environment: Mapping[str, str]
    gateway: Gateway | None = None
    master: str = "local[2]"
    conf: Mapping[str, str] = field(default_factory=dict)
    at: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    cancel: bool = True
    follow: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How a driver ended; `said` is what it made of its command, {} where it was killed."""

    returncode: int
    said: Mapping[str, Any]
    log: str

    @property
    def done(self) -> bool:
        return self.returncode == 0

    def check(self) -> "Ended":
        """Itself, or AssertionError with what the driver said."""
        assert self.done, f"exit {self.returncode}: {self.said}\n{self.log[-4000:]}"
        return self


class Driver:
    """One that was started, by its recorded process id."""

    def __init__(self, host: "Host", pid: int, folder: Path) -> None:
        self.pid = pid
        self._host = host
        self._folder = folder
        self._returncode: int | None = None

    def is_running(self) -> bool:
        if self._returncode is None:
            self._returncode = self._host.ask({"poll": self.pid})
        return self._returncode is None

    def kill(self) -> None:
        """At once. Nobody else gets its process id before `is_running` has noticed that it ended."""
        if self.is_running():
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout_s: float = 300) -> Ended:
        deadline = time.monotonic() + timeout_s
        while self.is_running():
            if time.monotonic() > deadline:
                self.kill()
            time.sleep(_POLL_S)
        assert self._returncode is not None
        said, log = self._folder / "said.json", self._folder / "log"
        return Ended(
            self._returncode,
            json.loads(said.read_text()) if said.exists() else {},
            log.read_text(errors="replace") if log.exists() else "",
        )

    def waits_at(self) -> str | None:
        """The point at which it waits to be told to go on."""
        waiting = self._folder / "waits"
        return waiting.read_text() if waiting.exists() else None

    def wait_at_point(self, timeout_s: float = 300) -> None:
        """Until it waits there. Raises AssertionError where it ends first."""
        deadline = time.monotonic() + timeout_s
        while self.waits_at() is None:
            assert self.is_running(), self.wait().log[-3000:]
            assert time.monotonic() < deadline, "the driver does not come to its point"
            time.sleep(_POLL_S)

    def go_on(self) -> None:
        (self._folder / "waits").unlink()


class Host:
    """The process that forks drivers; ends with `end()`, and all of its drivers with it."""

    def __init__(self, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        # Paths of sockets are short.
        self._place = tempfile.TemporaryDirectory(prefix="faults-")
        self._address = str(Path(self._place.name, "s"))
        command = [sys.executable, "-m", "tests.faults.host", self._address]
        self.process = LeashedProcess(command, folder / "host.log", environment, ROOT)
        self._connection: Connection | None = None
        self._count = 0

    def start(self, order: Order) -> Driver:
        self._count += 1
        folder = self._folder / f"driver-{self._count}"
        folder.mkdir()
        pid = self.ask({"order": asdict(order), "folder": str(folder)})
        return Driver(self, pid, folder)

    def ask(self, question: Mapping[str, Any]) -> Any:
        if self._connection is None:
            self.process.wait_until(Path(self._address).exists, "the drivers' host")
            self._connection = Client(self._address)
        self._connection.send(question)
        return self._connection.recv()

    def end(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self.process.end()
        self._place.cleanup()


# --- in the host


def serve(address: str) -> None:
    """Fork drivers as told until nobody asks any more."""
    from tests.faults import driver

    driver.imports()
    with Listener(address) as listener, listener.accept() as connection:
        while True:
            try:
                asked = connection.recv()
            except EOFError:
                return
            connection.send(_poll(asked["poll"]) if "poll" in asked else _fork(asked, connection, listener))


def _fork(asked: Mapping[str, Any], connection: Connection, listener: Listener) -> int:
    from tests.faults import driver

    pid = os.fork()
    if pid:
        return pid
    listener.close()
    connection.close()
    driver.run(asked["order"], Path(asked["folder"]))  # which does not come back
    os._exit(70)


def _poll(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


if __name__ == "__main__":
    serve(sys.argv[1])
