"""Everyone in turn, over few photos and over many, each time as a fresh process watched from outside."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import labels
from .catalogue import REFERENCE, Contender
from .preparation import Bench
from .processes import Watched, watch
from .results import Reading, Result

Say = Callable[[str], None]
# The many photos are this many times the few: enough that the difference is most of the run.
MANY_TO_FEW = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is measured how often over how many photos.

    `photos` is the larger number for the article's code; faster contenders get as many more as they are faster,
    so that all work for about as long, unless `even`. Beyond `round_of`, the photos of one full task of Spark's on
    each core, numbers are multiples of it: a last task that runs alone would be measured instead of the speed.
    """

    contenders: tuple[Contender, ...]
    photos: int
    repeats: int
    even: bool = False
    round_of: int = 1

    def sizes(self, contender: Contender) -> tuple[int, int]:
        """The few and the many photos of a contender."""
        many = self.photos if self.even else round(self.photos * contender.speed)
        return self._whole_rounds(max(1, many // MANY_TO_FEW)), self._whole_rounds(many)

    def _whole_rounds(self, photos: int) -> int:
        return photos if photos <= self.round_of else round(photos / self.round_of) * self.round_of

    def turns(self, repeat: int) -> Sequence[Contender]:
        """The order of a repeat, every other one backwards: what warms or tires the machine meets all alike."""
        return self.contenders if repeat % 2 == 0 else self.contenders[::-1]


def measure(bench: Bench, plan: Plan, say: Say) -> list[Result]:
    """One result for each contender, in the plan's order. Raises processes.ContenderFailed."""
    readings: dict[str, list[Reading]] = {contender.name: [] for contender in plan.contenders}
    answers: dict[str, dict[str, str]] = {}
    for repeat in range(plan.repeats):
        for contender in plan.turns(repeat):
            reading, answers[contender.name] = _read(bench, contender, plan.sizes(contender))
            readings[contender.name].append(reading)
            say(_line(bench, plan, repeat, contender, reading))
    results = [Result(c.name, readings[c.name], limit=c.limit) for c in plan.contenders]
    reference = answers.get(REFERENCE)
    if reference is None:
        return results
    return [
        replace(result, same_labels=labels.share_equal(answers[result.contender], reference))
        for result in results
    ]


def _read(bench: Bench, contender: Contender, sizes: tuple[int, int]) -> tuple[Reading, dict[str, str]]:
    few, many = sizes
    short, _ = run_once(bench, contender, few)
    long, answers = run_once(bench, contender, many)
    reading = Reading(few, short.seconds, short.cpu_s, many, long.seconds, long.cpu_s, long.peak())
    return reading, answers


def run_once(bench: Bench, contender: Contender, rows: int) -> tuple[Watched, dict[str, str]]:
    """What was seen of the process, and the label of each photo by its file name.

    Raises processes.ContenderFailed, and ValueError where the number of answers is not that of the photos.
    """
    scratch = bench.folder / "run"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    workload = bench.workload(contender, rows, scratch / "output")
    workload.write(scratch / "workload.json")
    arguments = ["-m", "benchmarks.contenders", contender.module, str(scratch / "workload.json")]
    watched = watch(arguments, scratch / "log.txt")
    answers = labels.read(Path(workload.output))
    if len(answers) != rows:
        raise ValueError(f"{contender.name} labelled {len(answers)} of {rows} photos.")
    return watched, answers


def _line(bench: Bench, plan: Plan, repeat: int, contender: Contender, reading: Reading) -> str:
    return (
        f"{bench.network.name} {repeat + 1}/{plan.repeats} {contender.name:28} "
        f"{reading.images_per_second:8.1f} images/s, "
        f"{reading.cpu_ms_per_image:.1f} CPU ms an image   {reading.few} in {reading.few_s:.1f} s, "
        f"{reading.many} in {reading.many_s:.1f} s, {reading.peak_megabytes['total']:,.0f} MB"
    )
