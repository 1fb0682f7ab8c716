"""Python workers that are killed, stopped, or run out of room, while a job goes on."""

import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random

import psutil

from tests.faults.bench import Work
from tests.faults.fault import Fault, Injected, completed
from tests.faults.host import Driver

_TRIED_AGAIN = "Spark tries the task again"


def killed(work: Work, chance: Random, most: int) -> Injected:
    """One after the other, and now and then the process that forks them."""
    driver, times, since = work.start(), 0, time.monotonic()
    while times < most and driver.is_running():
        time.sleep(chance.uniform(0.02, 0.2))
        engine = work.bench.engine
        times += _signalled(
            engine.daemons() if chance.random() < 0.1 else engine.workers(), chance, signal.SIGKILL
        )
        since = time.monotonic()
    return _ended(work, driver, times, since)


def stopped(work: Work, chance: Random, most: int) -> Injected:
    """And continued some time later."""
    driver, times, since = work.start(), 0, time.monotonic()
    while times < most and driver.is_running():
        time.sleep(chance.uniform(0.05, 0.3))
        with suppress(psutil.NoSuchProcess, IndexError):
            worker = chance.choice(work.bench.engine.workers())
            worker.suspend()
            time.sleep(chance.uniform(0.1, 0.5))
            worker.resume()
            times += 1
            since = time.monotonic()
    return _ended(work, driver, times, since)


def disk_full(work: Work, chance: Random, most: int) -> Injected:
    """No file may grow beyond some bytes: first for a driver, then for the workers of the next one."""
    bytes_ = chance.choice((100, 700, 2000))
    ended = work.run(limits={"RLIMIT_FSIZE": bytes_})
    assert ended.returncode in (1, 70) or ended.done, ended
    return _limited(work, resource.RLIMIT_FSIZE, lambda process: bytes_, chance, times=1)


def out_of_memory(work: Work, chance: Random, most: int) -> Injected:
    """Workers get no more address space than they have."""
    more = chance.choice((0, 1_000_000, 20_000_000))
    return _limited(work, resource.RLIMIT_AS, lambda process: process.memory_info().vms + more, chance)


def _limited(
    work: Work, what: int, most: Callable[[psutil.Process], int], chance: Random, times: int = 0
) -> Injected:
    driver = work.start()
    with _limits(work, what, most) as limited:
        time.sleep(chance.uniform(0.3, 1.5))
    since = time.monotonic()
    return _ended(work, driver, times + min(1, limited), since)


@contextmanager
def _limits(work: Work, what: int, most: Callable[[psutil.Process], int]) -> Iterator[int]:
    """Those of all workers there are, and of all that will be forked meanwhile, are as `most` says while inside."""
    harmed = []
    for process in (*work.bench.engine.daemons(), *work.bench.engine.workers()):
        with suppress(psutil.NoSuchProcess):
            before = process.rlimit(what)
            process.rlimit(what, (most(process), before[1]))
            harmed.append(process)
    try:
        yield len(harmed)
    finally:
        for process in (*work.bench.engine.daemons(), *work.bench.engine.workers()):
            with suppress(psutil.NoSuchProcess):
                process.rlimit(what, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _signalled(processes: list[psutil.Process], chance: Random, number: signal.Signals) -> int:
    """How many were: one, if there is any."""
    with suppress(psutil.NoSuchProcess, IndexError):
        chance.choice(processes).send_signal(number)
        return 1
    return 0


def _ended(work: Work, driver: Driver, times: int, since: float) -> Injected:
    """The command itself gets through; where it did not, the same command again does."""
    if driver.wait().done:
        return Injected(times, time.monotonic() - since)
    return completed(work, times, since)


FAULTS = (
    Fault("Python worker killed", _TRIED_AGAIN, killed, 20),
    Fault("Python worker stopped and continued", "it goes on", stopped, 5),
    Fault(
        "disk full (file-size limit)",
        "the driver ends in one line and the same command goes on; a task is tried again",
        disk_full,
        2,
    ),
    Fault("address-space limit", _TRIED_AGAIN, out_of_memory, 1),
)
