"""What is moved, damaged or doubled around a job."""

import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from random import Random

from mlruns_fixture.build import NAME
from registry import Registry
from tests.faults.bench import Work
from tests.faults.drivers_killed import POINTS
from tests.faults.fault import Fault, Injected, completed


def twice_at_once(work: Work, chance: Random, most: int) -> Injected:
    """Of the same command, and in half of the cases one is killed soon."""
    instant = work.instant(chance)
    drivers = [work.start(cancel=False) for _ in range(2)]
    if chance.random() < 0.5:
        time.sleep(instant)
        drivers[chance.randrange(2)].kill()
    since = time.monotonic()
    for ended in [driver.wait() for driver in drivers]:
        assert ended.returncode in (0, -9) or ended.said["fault"] == "OutputBusy", ended
    return completed(work, 1, since)


def clock_moved(work: Work, chance: Random, most: int) -> Injected:
    """Two days forward for one driver, a year back for the next, and files that come from the future."""
    day = 24 * 3600
    for shift_s in (2 * day, -365 * day):
        at = {"shift_s": shift_s, "kill": chance.randint(1, POINTS)}
        ended = work.start(at=at).wait()
        assert ended.returncode in (0, -9), ended
        for file in work.output.rglob("*"):
            os.utime(file, (time.time() + shift_s, time.time() - shift_s))
    since = time.monotonic()
    return completed(work, 2, since)


def artifact_truncated(work: Work, chance: Random, most: int) -> Injected:
    """Of the version, in the registry's store: refused, and nothing is written."""
    files = [path for path in _artifacts(work) if path.stat().st_size > 100]
    file = chance.choice(files)
    kept = file.read_bytes()
    try:
        file.write_bytes(kept[: len(kept) // 2])
        ended = work.run()
    finally:
        file.write_bytes(kept)
    since = time.monotonic()
    assert ended.returncode == 1, ended
    assert not work.output.exists(), f"{list(work.output.rglob('*'))} though {file.name} is truncated"
    return completed(work, 1, since)


def _artifacts(work: Work) -> list[Path]:
    with closing(sqlite3.connect(work.registry.removeprefix("sqlite:///"))) as database:
        [(source,)] = database.execute(
            "SELECT storage_location FROM model_versions WHERE name = ? AND version = 1", (NAME,)
        ).fetchall()
    return [path for path in Path(source.removeprefix("file://")).rglob("*") if path.is_file()]


def stage_flipped(work: Work, chance: Random, most: int) -> Injected:
    """Again and again, in a registry of its own, while one command after the other is killed."""
    work = work.with_own_registry()
    flipped: list[int] = []
    work.instant(chance)  # measured before there is a race
    flipping = threading.Thread(target=_flip, args=(work.registry, flipped, most), daemon=True)
    flipping.start()
    while flipping.is_alive() and not work.is_finished():
        driver = work.start()
        driver.wait(work.instant(chance) * 2)
    flipping.join()
    since = time.monotonic()
    while not work.is_finished():
        work.run().check()
    return Injected(len(flipped), time.monotonic() - since, work.unended_runs())


def _flip(uri: str, flipped: list[int], most: int) -> None:
    registry = Registry(uri)
    for i in range(most):
        registry.promote(NAME, 2 - i % 2, "Production", because="again")
        flipped.append(i)


FAULTS = (
    Fault("same job started twice at once", "one works, the other says who does", twice_at_once, 1),
    Fault("clock moved", "no matter", clock_moved, 2),
    Fault("artifact truncated", "refused, and nothing is written", artifact_truncated, 1, at_most=15),
    Fault(
        "stage flipped",
        "the job keeps the version that it began with",
        stage_flipped,
        50,
        at_most=6,
        long=True,
    ),
)
