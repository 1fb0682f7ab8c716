"""A volume that is full: a file system of its own for one output, which takes root to make."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from jobs.scoring.place.swapping import put_in_place
from tests.faults.bench import Work, until
from tests.faults.fault import Fault, Injected, completed

# Of which all of an output takes more.
_KILOBYTES = (8, 24, 40, 64)
_STAYS_FULL_S = 2.0


def full(work: Work, chance: Random, most: int) -> Injected:
    """With room for some of the chunks; a while later there is room for all."""
    with _volume(work, chance.choice(_KILOBYTES)) as (volume, grow):
        driver, started = work.start(), time.monotonic()
        until(lambda: time.monotonic() > started + _STAYS_FULL_S and _is_full(volume), driver)
        times = int(_is_full(volume) or not driver.is_running())
        grow()
        since = time.monotonic()
        done = (
            Injected(times, time.monotonic() - since) if driver.wait().done else completed(work, times, since)
        )
        # Its readers see the same, and the volume can go.
        copy = volume.with_name(f"{volume.name}-copy")
        shutil.copytree(volume, copy)
        put_in_place(copy, work.output)
        copy.unlink()
    return done


def _is_full(volume: Path) -> bool:
    return shutil.disk_usage(volume).free < 8192


@contextmanager
def _volume(work: Work, kilobytes: int) -> Iterator[tuple[Path, Callable[[], None]]]:
    """Where the output leads to, and what makes it large."""
    place = work.bench.folder / "volumes" / work.output.name
    place.mkdir(parents=True)
    _mount("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "faults", str(place))
    work.output.symlink_to(place)
    try:
        yield place, lambda: _mount("mount", "-o", "remount,size=64m", str(place))
    finally:
        _mount("umount", "--lazy", str(place))


def _mount(*command: str) -> None:
    subprocess.run(command, check=True)


FAULTS = (
    Fault(
        "disk full (a small tmpfs)",
        "the driver ends in one line and the same command goes on; a task is tried again",
        full,
        1,
        at_most=20,
    ),
)
