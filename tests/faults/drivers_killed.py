"""Drivers that are killed at any instant, and the same command again."""

import shutil
import time
from random import Random

from mlruns_fixture.build import NAME
from registry import Registry
from tests.faults.bench import Work, descendants, gone, until
from tests.faults.fault import Fault, Injected, completed
from tests.faults.material import answers
from tests.faults.oracle import PRIVATE, read

_GOES_ON = "the same command goes on"
# More lines and points than any of these jobs has are not reached, and count as no harm.
LINES = 3200
POINTS = 40


def at_random(work: Work, chance: Random, most: int) -> Injected:
    """Its tasks go on in the JVM in half of the cases, beside those of its successor."""
    times, since = 0, time.monotonic()
    for _ in range(most):
        instant = work.instant(chance)
        driver = work.start(cancel=chance.random() < 0.5)
        time.sleep(instant)
        times += driver.is_running()
        driver.kill()
        since = time.monotonic()
        driver.wait()
        if work.is_finished():
            break
    return completed(work, times, since)


def before_the_first_chunk(work: Work, chance: Random, most: int) -> Injected:
    times, since = 0, time.monotonic()
    for _ in range(most):
        driver = work.start()
        until(lambda: (work.output / PRIVATE / "plan-0001.json").exists() or work.chunks() > 0, driver)
        times += driver.is_running() and not work.chunks()
        driver.kill()
        since = time.monotonic()
        driver.wait()
        if work.is_finished():
            break
    return completed(work, times, since)


def before_the_last_word(work: Work, chance: Random, most: int) -> Injected:
    """All chunks are there, and nothing says so yet."""
    since = time.monotonic()
    for _ in range(most):
        driver = work.start(at={"wait": f"before put {PRIVATE}/finished-0001.json"})
        driver.wait_at_point()
        driver.kill()
        since = time.monotonic()
        driver.wait()
    return completed(work, most, since)


def at_each_word(work: Work, chance: Random, most: int) -> Injected:
    """Before or after something that it leaves in the output, or tells the registry."""
    return _at_points(work, [{"kill": chance.randint(1, POINTS)} for _ in range(most)])


def at_point(work: Work, point: int) -> Injected:
    """The same, at this one."""
    return _at_points(work, [{"kill": point}])


def at_a_line(work: Work, chance: Random, most: int) -> Injected:
    """Of the scoring job's code."""
    return _at_points(work, [{"kill_line": chance.randint(1, LINES)} for _ in range(most)])


def _at_points(work: Work, points: list[dict[str, int]]) -> Injected:
    times, since = 0, time.monotonic()
    for at in points:
        ended = work.start(at=at).wait()
        times += ended.returncode == -9
        since = time.monotonic()
        assert ended.returncode in (0, -9), ended
        if work.is_finished():
            break  # what is left to kill has hardly anything to do
    return completed(work, times, since)


def with_its_jvm(work: Work, chance: Random, most: int) -> Injected:
    """A command of its own, JVM and all; what it started ends with it."""
    left: tuple[str, ...] = ()
    driver = work.start(master="local[2]")
    started = time.monotonic()
    until(lambda: work.chunks() >= 1 or time.monotonic() > started + chance.uniform(0, 20), driver)
    processes = descendants(driver.pid)
    times = int(driver.is_running())
    driver.kill()
    since = time.monotonic()
    driver.wait()
    left = gone(processes)
    return completed(work, times, since, left)


def while_it_follows(work: Work, chance: Random, most: int) -> Injected:
    """All is scored again by another version beside the old output, and takes its place once, whole."""
    work = work.with_own_registry()
    work.run().check()
    Registry(work.registry).promote(NAME, 2, "Production", because="sharper")
    times, since = 0, time.monotonic()
    for _ in range(most):
        ended = work.run(follow=True, at={"kill_line": chance.randint(1, LINES)})
        times += ended.returncode == -9
        assert ended.returncode in (0, -9), ended
    since = time.monotonic()
    work.run(follow=True).check()
    recovered = time.monotonic() - since
    [old] = work.output.parent.glob(f"{work.output.name}.version-1-*")
    kept = answers(read(old, work.output_format), work.input.identity)
    assert kept == work.bench.answered(work.input, f"models:/{NAME}/1")
    shutil.rmtree(old)
    assert not list(work.output.parent.glob(f"{work.output.name}.*"))
    return Injected(times, recovered, work.unended_runs())


FAULTS = (
    Fault("driver killed at a random instant", _GOES_ON, at_random, 10, long=True),
    Fault("driver killed before the first chunk", _GOES_ON, before_the_first_chunk, 10),
    Fault("driver killed between the last chunk and the last record", _GOES_ON, before_the_last_word, 5),
    Fault("driver killed before or after a write", _GOES_ON, at_each_word, 20),
    Fault("driver killed at a line of its code", _GOES_ON, at_a_line, 10),
    Fault("driver killed with a JVM of its own", _GOES_ON, with_its_jvm, 1),
    Fault(
        "driver killed while it follows",
        "the old output stays until the new one is whole",
        while_it_follows,
        5,
        long=True,
    ),
)
