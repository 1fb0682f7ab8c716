"""Photos that crash or hang the worker that decodes them, and what the death of drivers costs, counted by photos."""

import time
from contextlib import suppress
from dataclasses import replace
from random import Random

import psutil
import pyarrow.parquet as pq

from tests.faults.bench import PARQUET, Work, until
from tests.faults.fault import Fault, Injected, completed
from tests.faults.material import PER_CHUNK
from tests.faults.oracle import read

CORES = 2


def crash(work: Work, chance: Random, most: int) -> Injected:
    """A SIGSEGV inside of a worker, at whichever photo comes next."""
    danger = work.bench.danger()
    work = replace(work, uri=danger.uri)
    driver, times, since = work.start(), 0, time.monotonic()
    while times < most and driver.is_running():
        danger.tell("crash")
        until(lambda: danger.is_done("crash"), driver)
        times += not danger.take_back("crash")
        since = time.monotonic()
        time.sleep(chance.uniform(0, 0.3))
    if driver.wait().done:
        return Injected(times, time.monotonic() - since)
    return completed(work, times, since)


def hang(work: Work, chance: Random, most: int) -> Injected:
    """A photo that never ends, until somebody kills the worker that reads it."""
    danger = work.bench.danger()
    work = replace(work, uri=danger.uri)
    danger.tell("hang")
    driver, since = work.start(), time.monotonic()
    until(lambda: danger.is_done("hang"), driver)
    times = int(not danger.take_back("hang"))
    started = time.monotonic()
    until(lambda: time.monotonic() > started + chance.uniform(0.5, 2), driver)
    since = time.monotonic()
    for worker in work.bench.engine.workers():
        with suppress(psutil.NoSuchProcess):
            worker.kill()
    if driver.wait().done:
        return Injected(times, time.monotonic() - since)
    return completed(work, times, since)


def work_lost(work: Work, chance: Random, most: int) -> Injected:
    """Drivers of one job killed in the midst of chunks: each costs no more than one chunk for each core at work."""
    danger = work.bench.danger()
    work = replace(work, uri=danger.uri)
    again, since = [], time.monotonic()
    while len(again) < most and not work.is_finished():
        before, there = danger.calls(), _decoded(work)
        enough = before + chance.randint(1, PER_CHUNK)
        driver = work.start()
        until(lambda enough=enough: danger.calls() >= enough, driver)  # type: ignore[misc]
        driver.kill()
        since = time.monotonic()
        driver.wait()
        _at_rest(work)
        again.append(danger.calls() - before - (_decoded(work) - there))
    injected = completed(work, len(again), since)
    chunk = max(pq.read_metadata(file).num_rows for file in work.output.glob("*.parquet"))
    assert max(again) <= CORES * chunk, (again, chunk)
    return replace(injected, rows_again=tuple(again))


def _decoded(work: Work) -> int:
    """Rows that are there whose photos went through the model's transform."""
    if not work.chunks():
        return 0
    status = read(work.output, PARQUET)["status"].to_pylist()
    return status.count("ok")


def _at_rest(work: Work) -> None:
    """What the dead driver's tasks still did is theirs: they are ended as its JVM would have."""
    for daemon in work.bench.engine.daemons():
        for process in (*daemon.children(), daemon):
            with suppress(psutil.NoSuchProcess):
                process.kill()


FAULTS = (
    Fault("decoder crashes (SIGSEGV)", "Spark tries the task again", crash, 3),
    Fault("decoder hangs, its worker is killed", "Spark tries the task again", hang, 1, long=True),
    Fault(
        "driver killed in the midst of chunks",
        "at most a chunk a core is scored again",
        work_lost,
        20,
        at_most=10,
        long=True,
    ),
)
