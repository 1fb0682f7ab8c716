"""Damaged photos through a wrapper's whole reading: `make soak-fuzz`, or `python -m tests.pyfunc_models.fuzz`.

Each photo follows from the seed and its number alone. Worker processes read them; every one must become pixels or a
fault of its row, within the time and memory that `docs/predictions.md` states, without a word on stderr.
"""

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from pyfunc_models import Preprocess, RowFault, Status
from pyfunc_models.kinds import model_class
from pyfunc_models.photos import containers
from pyfunc_models.transforms.compiled_resample import WORTH_COMPILING
from pyfunc_models.worker.choices import DecodeChoice
from pyfunc_models.worker.image_model import OwnCode

from . import fuzz_corpus

MOST_CPU_S, MOST_MIB = 5.0, 1_600
HANGS_AFTER_S = 120
TOGETHER = 500
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """`photos` of the numbers from 0 on; `folders` have photos beside those that are drawn."""

    photos: int
    workers: int = 1
    seed: int = 0
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of one photo, and what it cost. `wrong`: how it broke a promise; empty where it kept all."""

    number: int
    format: str
    size: int
    status: str
    cpu_s: float
    mib: float
    wrong: str = ""

    @property
    def is_within_budget(self) -> bool:
        return self.cpu_s <= MOST_CPU_S and self.mib <= MOST_MIB


@dataclass(slots=True)
class Found:
    """All readings, deaths and hangs by the number of the photo, and what was said on stderr."""

    readings: list[Reading] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)
    said: str = ""
    sources: int = 0

    @property
    def broken(self) -> list[str]:
        """What may not be."""
        wrong = [f"photo {one.number}: {one.wrong}" for one in self.readings if one.wrong]
        above = [f"photo {one.number}: {one}" for one in self.readings if not one.is_within_budget]
        return [*self.deaths, *wrong, *above, *([f"on stderr: {self.said[:500]}"] if self.said else [])]


def photo(number: int, seed: int, photos: list[bytes]) -> bytes:
    """The photo of a number: those of the corpus first, as they are, then damaged ones."""
    if number < len(photos):
        return photos[number]
    return fuzz_corpus.damaged(photos, random.Random(f"{seed} {number}"))


# --- in a worker


class Reader:
    """Reads one photo after the other, as a job would, and measures it."""

    def __init__(self, plan: Plan) -> None:
        self.photos = list(fuzz_corpus.corpus(list(plan.folders)).values())
        self._seed = plan.seed
        self._models = []
        for orientation in ("ignore", "exif"):
            model = model_class("classifier")()
            model.preprocess, model.own_code = (
                Preprocess.of(resize=64, crop=56, orientation=orientation),
                OwnCode(),
            )
            self._models.append(model)
        for _ in range(WORTH_COMPILING + 1):
            self.read(0)  # what is imported and compiled with the first photos is not their cost

    def read(self, number: int) -> Reading:
        content = photo(number, self._seed, self.photos)
        model, choice = self._models[number % 2], list(DecodeChoice)[number // 2 % 2]
        kind = containers.format_of(content)
        before = _memory()["VmRSS"]
        started = time.process_time()
        try:
            found = model.read(content, choice)
            wrong = _wrong(found)
        except BaseException as error:
            found, wrong = None, f"raised {error!r}"
        cpu_s = time.process_time() - started
        status = found.status.value if isinstance(found, RowFault) else "ok"
        mib = max(0.0, _memory()["VmHWM"] - before)
        if mib > 8:
            Path("/proc/self/clear_refs").write_text("5")  # the next photo's peak is its own
        return Reading(number, kind.name if kind else "none", len(content), status, cpu_s, mib, wrong)


def _memory() -> dict[str, float]:
    """MiB of this process, now and at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {
        key: int(line.split()[1]) / 1024
        for line in lines
        if (key := line.partition(":")[0]) in ("VmRSS", "VmHWM")
    }


def _wrong(found: Any) -> str:
    if isinstance(found, RowFault):
        honest = found.status in Status and found.status is not Status.OK
        readable = found.error.isprintable() and len(found.error) < 250 and " at 0x" not in found.error
        return "" if honest and readable else f"said {found}"
    right = isinstance(found, np.ndarray) and found.shape == (56, 56, 3) and found.dtype == np.uint8
    return "" if right else f"gave {type(found)}"


def _errors(parent: int) -> Path:
    return Path(tempfile.gettempdir()) / f"fuzz-{parent}.err"


def _work(plan: Plan, numbers: Sequence[int], results: Any, current: Any) -> None:
    os.dup2(
        os.open(
            Path(tempfile.gettempdir()) / f"fuzz-{os.getppid()}.err", os.O_WRONLY | os.O_CREAT | os.O_APPEND
        ),
        2,
    )
    reader = Reader(plan)
    batch: list[Reading] = []
    for number in numbers:
        current.value = number
        batch.append(reader.read(number))
        if len(batch) == TOGETHER:
            results.put(batch)
            batch = []
    results.put(batch)
    results.put(None)


# --- beside the workers


def run(plan: Plan) -> Found:
    """Read them all; a worker that dies or hangs is named by its photo, and another goes on after it."""
    found = Found(sources=len(fuzz_corpus.corpus(list(plan.folders))))
    errors = _errors(os.getpid())
    context = multiprocessing.get_context("spawn")
    shares = [range(first, plan.photos, plan.workers) for first in range(plan.workers)]
    results = context.Queue()
    running = [_Worker(context, plan, share, results) for share in shares]
    while running:
        try:
            batch = results.get(timeout=5)
            found.readings += batch or []
        except Exception:
            batch = None
        for worker in list(running):
            if (what := worker.ended()) is None:
                continue
            running.remove(worker)
            if what:
                found.deaths.append(what)
                running += [_Worker(context, plan, rest, results)] if (rest := worker.rest()) else []
    while not results.empty():
        found.readings += results.get() or []
    found.said = errors.read_text(errors="replace") if errors.exists() else ""
    errors.unlink(missing_ok=True)
    return found


class _Worker:
    def __init__(self, context: Any, plan: Plan, share: range, results: Any) -> None:
        self._share = share
        self._current = context.Value("q", -1)
        self._seen, self._since = -1, time.monotonic()
        self._process = context.Process(target=_work, args=(plan, share, results, self._current))
        self._process.start()

    def ended(self) -> str | None:
        """None while it runs; empty where it ended well; else what became of it."""
        if self._current.value != self._seen:
            self._seen, self._since = self._current.value, time.monotonic()
        if self._process.is_alive():
            if time.monotonic() - self._since < HANGS_AFTER_S:
                return None
            self._process.kill()
            self._process.join()
            return f"photo {self._seen}: hung for {HANGS_AFTER_S} s"
        self._process.join()
        return f"photo {self._seen}: exit code {self._process.exitcode}" if self._process.exitcode else ""

    def rest(self) -> range:
        return self._share[self._share.index(self._seen) + 1 :] if self._seen in self._share else range(0)


def lines(found: Found, seconds: float) -> Iterator[str]:
    """The table."""
    readings = found.readings
    yield f"{len(readings):,} photos of {found.sources:,} sources in {seconds:,.0f} s"
    yield "format    photos       ok  median ms   99 % ms   most ms  most MiB  others"
    by_format = defaultdict(list)
    for one in readings:
        by_format[one.format].append(one)
    for name, group in sorted(by_format.items()):
        costs = sorted(one.cpu_s * 1000 for one in group)
        statuses = Counter(one.status for one in group)
        others = ", ".join(
            f"{count:,} {status}" for status, count in statuses.most_common() if status != "ok"
        )
        yield (
            f"{name:6} {len(group):>9,} {statuses['ok']:>8,} {median(costs):>10.2f} "
            f"{costs[int(len(costs) * 0.99)]:>9.2f} {costs[-1]:>9.1f} {max(one.mib for one in group):>9.1f}  {others}"
        )
    for what, key in (("slowest", "cpu_s"), ("largest", "mib")):
        for one in sorted(readings, key=lambda one: getattr(one, key))[: -SHOWN - 1 : -1]:
            yield (
                f"{what}: photo {one.number}, {one.format} of {one.size:,} bytes, {one.status}, "
                f"{one.cpu_s * 1000:,.0f} ms, {one.mib:,.0f} MiB"
            )
    yield f"{len(found.broken)} broken promises, {len(found.deaths)} deaths of a process"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=300_000)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--pillow", action="store_true", help="fetch the bad images of Pillow's source distribution"
    )
    parser.add_argument(
        "--folder", type=Path, action="append", default=[], help="more photos; repeat for more"
    )
    parser.add_argument(
        "--keep", type=int, metavar="NUMBER", help="write one photo into build/fuzz, and read nothing"
    )
    given = parser.parse_args()
    folders = (*given.folder, *((fuzz_corpus.pillows_own(),) if given.pillow else ()))
    plan = Plan(given.photos, given.workers, given.seed, folders)
    if given.keep is not None:
        photos = list(fuzz_corpus.corpus(list(folders)).values())
        fuzz_corpus.BUILD.mkdir(parents=True, exist_ok=True)
        (fuzz_corpus.BUILD / f"photo-{given.keep}").write_bytes(photo(given.keep, given.seed, photos))
        return 0
    started = time.monotonic()
    found = run(plan)
    for line in [*lines(found, time.monotonic() - started), *found.broken[:20]]:
        print(line)  # noqa: T201
    return 1 if found.broken or len(found.readings) < plan.photos else 0


if __name__ == "__main__":
    sys.exit(main())
