"""Executors of a two-worker cluster that are killed or stopped, with speculation on."""

import time
from collections.abc import Iterator
from contextlib import suppress
from random import Random

import psutil

from tests.faults.bench import Work, until
from tests.faults.fault import Fault, Injected, completed
from tests.faults.host import Driver


def executor_killed(work: Work, chance: Random, most: int) -> Injected:
    """Its JVM and with that its workers, one after the other."""
    cluster = work.bench.cluster()
    driver, times, since = work.start(gateway=cluster.engine.gateway), 0, time.monotonic()
    _at_work(work, driver)
    while times < most and driver.is_running():
        if executors := list(cluster.executors()):
            with suppress(psutil.NoSuchProcess):
                chance.choice(executors).kill()
                times += 1
                since = time.monotonic()
        time.sleep(chance.uniform(0.5, 2))
    return _ended(work, driver, times, since)


def executor_stopped(work: Work, chance: Random, most: int) -> Injected:
    """With its workers; another one does its tasks, and it goes on with them when the job is over or nearly so."""
    cluster = work.bench.cluster()
    driver = work.start(gateway=cluster.engine.gateway)
    _at_work(work, driver)
    executors = list(cluster.executors())
    stopped = list(_stopped(chance.choice(executors))) if executors else []
    begun = time.monotonic()
    until(lambda: time.monotonic() > begun + chance.uniform(1, 6), driver)
    for process in stopped:
        with suppress(psutil.NoSuchProcess):
            process.resume()
    return _ended(work, driver, int(bool(stopped)), time.monotonic())


def worker_stopped(work: Work, chance: Random, most: int) -> Injected:
    """Python workers one after the other, each until speculation has its task done elsewhere."""
    cluster = work.bench.cluster()
    driver, times, since = work.start(gateway=cluster.engine.gateway), 0, time.monotonic()
    _at_work(work, driver)
    while times < most and driver.is_running():
        workers = [worker for executor in cluster.executors() for worker in cluster.workers_of(executor)]
        if workers:
            with suppress(psutil.NoSuchProcess):
                worker = chance.choice(workers)
                worker.suspend()
                chunks = work.chunks()
                begun = time.monotonic()
                _more_than(work, chunks, begun + 2, driver)
                worker.resume()
                times += 1
                since = time.monotonic()
        time.sleep(0.1)
    return _ended(work, driver, times, since)


def _more_than(work: Work, chunks: int, until_s: float, driver: Driver) -> None:
    until(lambda: work.chunks() > chunks + 1 or time.monotonic() > until_s, driver)


def _at_work(work: Work, driver: Driver) -> None:
    until(lambda: work.chunks() >= 1, driver)


def _stopped(executor: psutil.Process) -> Iterator[psutil.Process]:
    for process in (executor, *executor.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            process.suspend()
            yield process


def _ended(work: Work, driver: Driver, times: int, since: float) -> Injected:
    if driver.wait().done:
        return Injected(times, time.monotonic() - since)
    return completed(work, times, since)


FAULTS = (
    Fault("executor JVM killed", "Spark starts another one", executor_killed, 3, long=True),
    Fault(
        "executor stopped, and continued later", "another one does its tasks", executor_stopped, 1, long=True
    ),
    Fault("worker stopped, speculation on", "whoever is first makes the chunk", worker_stopped, 3, long=True),
)
