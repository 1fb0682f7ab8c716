"""What was measured, and what follows from it: rates, medians, spreads, ratios inside one invocation."""

import json
import math
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, lowest and highest of the repeats."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Of the values that are numbers; nan where none is."""
        known = [value for value in values if not math.isnan(value)] or [math.nan]
        return cls(statistics.median(known), min(known), max(known))


@dataclass(frozen=True, slots=True)
class Reading:
    """One repeat: whole processes over `few` and over `many` photos, in seconds from start to exit and of CPU time.

    `peak_megabytes` of the process tree over `many`, by role; see `processes.Watched.peak`.
    """

    few: int
    few_s: float
    few_cpu_s: float
    many: int
    many_s: float
    many_cpu_s: float
    peak_megabytes: dict[str, float]

    @property
    def images_per_second(self) -> float:
        """Steady state: start-up, warm-up and shutdown are in both times, and their difference has none of it.

        nan where more photos took no longer: then there were too few for this machine's noise.
        """
        seconds = self.many_s - self.few_s
        return (self.many - self.few) / seconds if seconds > 0 else math.nan

    @property
    def cpu_ms_per_image(self) -> float:
        """CPU time of the whole tree for each further photo: tells work from waiting, also on a busy machine."""
        return (self.many_cpu_s - self.few_cpu_s) / (self.many - self.few) * 1000

    def whole_s(self, photos: int) -> float:
        """Seconds of a whole process over `photos`: on the line through both measurements."""
        return self.many_s + (photos - self.many) / self.images_per_second


@dataclass(frozen=True, slots=True)
class Result:
    """All repeats of one contender. `same_labels`: the share of photos with the reference's label, 0 to 1."""

    contender: str
    readings: list[Reading]
    same_labels: float | None = None
    limit: str | None = None

    @property
    def images_per_second(self) -> Spread:
        """Steady state."""
        return Spread.of(reading.images_per_second for reading in self.readings)

    @property
    def cpu_ms_per_image(self) -> float:
        """The median over the repeats."""
        return statistics.median(reading.cpu_ms_per_image for reading in self.readings)

    def whole_s(self, photos: int) -> Spread:
        """Start-up included."""
        return Spread.of(reading.whole_s(photos) for reading in self.readings)

    @property
    def peak_megabytes(self) -> float:
        """Of the whole tree: the median over the repeats."""
        return statistics.median(reading.peak_megabytes["total"] for reading in self.readings)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One network, everyone in turn, on one machine in one sitting: only inside of this are ratios taken."""

    network: str
    started: str
    machine: dict[str, str]
    versions: dict[str, str]
    photos: dict[str, Any]
    cores: int
    results: list[Result] = field(default_factory=list)

    def result(self, contender: str | None) -> Result | None:
        """That contender's, if it took part."""
        return next((result for result in self.results if result.contender == contender), None)

    def ratio(self, result: Result, other: str | None) -> Spread | None:
        """Steady state against another contender's: of medians, and of the repeats one by one."""
        base = self.result(other)
        if base is None:
            return None
        pairs = zip(result.readings, base.readings, strict=False)
        each = [ours.images_per_second / theirs.images_per_second for ours, theirs in pairs]
        median = result.images_per_second.median / base.images_per_second.median
        return Spread(median, min(each), max(each))


def read(file: Path) -> list[Invocation]:
    """What `write` wrote; nothing where there is no such file. Raises ValueError on another format."""
    if not file.exists():
        return []
    try:
        return [_invocation(fields) for fields in json.loads(file.read_text())["invocations"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{str(file)!r} is of another format; move it away and measure again.") from error


def write(file: Path, invocations: list[Invocation]) -> None:
    """As JSON, with the derived figures left to whoever reads it."""
    document = {"invocations": [asdict(invocation) for invocation in invocations]}
    file.write_text(json.dumps(document, indent=1) + "\n")


def merge(known: list[Invocation], new: Invocation, *, append: bool) -> list[Invocation]:
    """`new` replaces what is known of its network, or with `append` stands beside it."""
    kept = [old for old in known if append or old.network != new.network]
    return [*kept, new]


def _invocation(fields: dict[str, Any]) -> Invocation:
    results = [
        Result(**{**result, "readings": [Reading(**reading) for reading in result["readings"]]})
        for result in fields["results"]
    ]
    return Invocation(**{**fields, "results": results})
