"""Run a process and watch it from outside: wall time, and the memory of its whole tree over time."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
MEGABYTE = 1e6
LOOK_EVERY_S = 0.5
# The kernel walks page tables for each sample of memory: that may take at most 1/50 of one core.
SAMPLE_SHARE = 50
TIMEOUT_S = 3600.0
END_S = 30.0


class ContenderFailed(RuntimeError):
    """The process ended with an error; the end of what it wrote is the message."""


@dataclass(frozen=True, slots=True)
class Sample:
    """At `at_s` seconds after the start, megabytes (10^6) of `driver`, `jvm` and `workers`: proportional set sizes.

    Pages that processes share are counted once. `driver` is the process that was started, `jvm` is every Java,
    `workers` are all others.
    """

    at_s: float
    megabytes: dict[str, float]

    @property
    def total(self) -> float:
        """Of all roles."""
        return sum(self.megabytes.values())


@dataclass(frozen=True, slots=True)
class Watched:
    """`seconds` from start to exit, `cpu_s` of the whole tree, and the samples of memory in between.

    `cpu_s` lacks what each process did after it was last looked at, half a second at most on an idle machine.
    """

    seconds: float
    cpu_s: float
    samples: list[Sample] = field(default_factory=list)

    def peak(self) -> dict[str, float]:
        """Megabytes at the highest total, with the `total`, and the highest of each role by itself as `max_…`."""
        if not self.samples:
            return {}
        highest = max(self.samples, key=lambda sample: sample.total)
        roles = {role for sample in self.samples for role in sample.megabytes}
        alone = {f"max_{role}": max(s.megabytes.get(role, 0.0) for s in self.samples) for role in roles}
        return {**highest.megabytes, "total": highest.total, **alone}


def watch(arguments: Sequence[str], log: Path) -> Watched:
    """`python ARGUMENTS` in a session of its own; its output goes to `log`.

    Raises ContenderFailed where it exits with an error or takes longer than TIMEOUT_S.
    """
    with log.open("wb") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=log.parent,
            env=_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        sampler = _Sampler(process.pid, started)
        sampler.start()
        try:
            code = process.wait(TIMEOUT_S)
            seconds = time.monotonic() - started
        finally:
            sampler.stop()
            _end(process)
    if code:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise ContenderFailed(f"{' '.join(arguments)} exited with {code}:\n{tail}")
    return Watched(seconds, sampler.cpu_s, sampler.samples)


class _Sampler(threading.Thread):
    def __init__(self, pid: int, since: float) -> None:
        super().__init__(daemon=True)
        self.samples: list[Sample] = []
        self._cpu_s: dict[int, float] = {}
        self._root = psutil.Process(pid)
        self._since = since
        self._done = threading.Event()

    def run(self) -> None:
        memory_due = self._since
        while not self._done.wait(LOOK_EVERY_S):
            tree = _tree(self._root)
            self._note_cpu(tree)
            now = time.monotonic()
            if now >= memory_due:
                before = time.thread_time()
                self.samples.append(Sample(now - self._since, self._megabytes(tree)))
                memory_due = now + SAMPLE_SHARE * (time.thread_time() - before)

    def stop(self) -> None:
        self._done.set()
        self.join()

    @property
    def cpu_s(self) -> float:
        """User and system time of all processes that were seen."""
        return sum(self._cpu_s.values())

    def _note_cpu(self, tree: list[psutil.Process]) -> None:
        for process in tree:
            with suppress(psutil.Error):  # gone meanwhile
                times = process.cpu_times()
                self._cpu_s[process.pid] = times.user + times.system

    def _megabytes(self, tree: list[psutil.Process]) -> dict[str, float]:
        found: dict[str, float] = defaultdict(float)
        for process in tree:
            with suppress(psutil.Error):
                memory = process.memory_full_info()
                found[self._role(process)] += getattr(memory, "pss", memory.uss) / MEGABYTE
        return dict(found)

    def _role(self, process: psutil.Process) -> str:
        if process.pid == self._root.pid:
            return "driver"
        return "jvm" if process.name() == "java" else "workers"


def _tree(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "DO_NOT_TRACK": "1", "DAFT_PROGRESS_BAR": "0"}
    return {**os.environ, **quiet, "PYTHONPATH": path, "PYSPARK_PYTHON": sys.executable}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process's group, and wait until it is gone: the next contender wants the cores."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + END_S
    while _group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)


def _group(leader: int) -> list[int]:
    """Processes of the group that still run."""
    running = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process.pid)
    return running
