"""When the chunks of an output were made: photos a second over time, and where the time went."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

_POINTS = 40


@dataclass(frozen=True, slots=True)
class Chunk:
    """`began` and `ended`: seconds since 1970, by its worker's clock; `writing_s` of them went into the file."""

    rows: int
    began: float
    ended: float
    writing_s: float
    run_id: str

    @property
    def seconds(self) -> float:
        return max(0.0, self.ended - self.began)


@dataclass(frozen=True, slots=True)
class Command:
    """One command's work on an output. `ready_s`: from its run's start to the first chunk's; None if not known.

    `span_s`: from the first chunk's start to the last one's end. `at_once`: the most chunks at one time; `busy`: the
    share of their time, 0 to 1, in which chunks were worked on. `writing`: the share of that which was writing.
    """

    run_id: str
    chunks: int
    rows: int
    ready_s: float | None
    span_s: float
    at_once: int
    busy: float
    writing: float
    slowest_s: float

    @property
    def rate(self) -> float:
        """Photos a second over the span."""
        return self.rows / self.span_s if self.span_s else 0.0


@dataclass(frozen=True, slots=True)
class Times:
    """`points`: pairs of seconds of work, pauses between commands left out, and photos a second around then."""

    commands: Sequence[Command]
    points: Sequence[tuple[float, float]]


def chunk_of(said: Mapping[str, Any]) -> Chunk | None:
    """What a chunk says of itself; None where it was written before chunks kept times."""
    if "began" not in said or not said.get("rows"):
        return None
    began, ended, writing_s = (float(said[name]) for name in ("began", "ended", "writing_s"))
    return Chunk(int(said["rows"]), began, ended, writing_s, str(said.get("run_id", "")))


def times(chunks: Iterable[Chunk], since: Mapping[str, float]) -> Times:
    """Of an output's chunks; `since`: when runs began."""
    ordered = sorted(chunks, key=lambda chunk: (chunk.run_id, chunk.began))
    groups = [list(group) for _, group in groupby(ordered, key=lambda chunk: chunk.run_id)]
    groups.sort(key=lambda group: group[0].began)
    commands = [_command(group, since.get(group[0].run_id)) for group in groups]
    return Times(commands, _points(groups))


def _command(chunks: Sequence[Chunk], since: float | None) -> Command:
    first, last = chunks[0].began, max(chunk.ended for chunk in chunks)
    worked = sum(chunk.seconds for chunk in chunks)
    at_once = _most_at_once(chunks)
    return Command(
        run_id=chunks[0].run_id,
        chunks=len(chunks),
        rows=sum(chunk.rows for chunk in chunks),
        ready_s=None if since is None else max(0.0, first - since),
        span_s=last - first,
        at_once=at_once,
        busy=min(1.0, worked / max(1e-9, at_once * (last - first))),
        writing=sum(chunk.writing_s for chunk in chunks) / max(1e-9, worked),
        slowest_s=max(chunk.seconds for chunk in chunks),
    )


def _most_at_once(chunks: Sequence[Chunk]) -> int:
    # What ends when another begins makes room for it.
    steps = sorted([(c.began, 1) for c in chunks] + [(c.ended, -1) for c in chunks])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return max(1, most)


def _points(groups: Sequence[Sequence[Chunk]]) -> list[tuple[float, float]]:
    """A chunk's rows are spread evenly over its time."""
    shifted: list[tuple[float, float, int]] = []
    worked = 0.0
    for group in groups:
        first = group[0].began - worked
        shifted += [(chunk.began - first, chunk.ended - first, chunk.rows) for chunk in group]
        worked = max(end for _, end, _ in shifted)
    if not worked:
        return []
    width = worked / _POINTS
    return [((i + 0.5) * width, _rate(shifted, i * width, (i + 1) * width)) for i in range(_POINTS)]


def _rate(chunks: Sequence[tuple[float, float, int]], start: float, end: float) -> float:
    rows = 0.0
    for began, ended, count in chunks:
        inside = min(end, ended) - max(start, began)
        if inside > 0:
            rows += count * inside / (ended - began)
    return rows / (end - start)
