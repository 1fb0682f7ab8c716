"""What a scoring job would do, for a person and for `--json`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..telling import duration
from .report import in_words
from .sampled import Sample


@dataclass(frozen=True, slots=True)
class Allowed:
    """Why a version may be used: where it stands and who put it there, with which gates; what policies ask for.

    `gates`: each in words, as the ledger has them; all of them passed or were overridden.
    """

    stage: str
    since: str | None
    by: str | None
    because: str | None
    gates: Sequence[str]
    policies: Sequence[str]

    def lines(self) -> list[str]:
        """For a person."""
        moved = f" since {self.since}, by {self.by}" if self.since else ""
        because = f": {self.because}" if self.because else ""
        stands = f"stands in {self.stage}" if self.stage != "None" else "stands in no stage"
        gates = f"gates: {'; '.join(self.gates)}" if self.gates else "no gate was asked"
        policies = "; ".join(self.policies) or "no policy refuses anything"
        return [f"{stands}{moved}{because}", gates, policies]


@dataclass(frozen=True, slots=True)
class Work:
    """Rows and chunks of the output: `rows` in all, of which `done_rows` are there; None where that is not known.

    `chunks` are left to do, `workers` of them at once. `gone`, `changed`: photos since they were planned.
    """

    rows: int | None
    done_rows: int
    done_chunks: int
    chunks: int | None
    workers: int
    left_out: Mapping[str, int]
    gone: int = 0
    changed: int = 0

    @property
    def left(self) -> int | None:
        """Rows that are not there."""
        return None if self.rows is None else max(0, self.rows - self.done_rows)


@dataclass(frozen=True, slots=True)
class Forecast:
    """`becomes`: what would become of the output, in words. `sample` None: there is nothing to do, or no photo.

    Bytes: of the model's files, and of the heap of the JVM that runs here.
    """

    model: str
    requested: str
    allowed: Allowed
    input: str
    output: str
    becomes: str
    work: Work
    sample: Sample | None
    max_error_rate: float
    model_bytes: int
    heap_bytes: int

    @property
    def seconds(self) -> float | None:
        """About how long it would take; None where that cannot be known."""
        if self.work.left == 0:
            return 0.0
        if self.work.left is None or self.sample is None:
            return None
        return self.sample.ready_s + self.work.left / self.sample.rate

    @property
    def bad_share(self) -> float:
        """The share of the sample without a prediction, 0 to 1."""
        if self.sample is None:
            return 0.0
        return 1 - self.sample.by_status.get("ok", 0) / self.sample.photos

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        sample = None if self.sample is None else asdict(self.sample)
        work = {**asdict(self.work), "left": self.work.left}
        return {**asdict(self), "work": work, "sample": sample, "seconds": self.seconds}

    def lines(self) -> list[str]:
        """For a person."""
        stands, gates, policies = self.allowed.lines()
        return [
            f"model    {self.model}  (asked for as {self.requested})",
            f"allowed  {stands}",
            f"         {gates}",
            f"         {policies}",
            f"input    {self.input}{self._left_out()}",
            f"output   {self.output}: {self.becomes}",
            f"rows     {self._rows()}",
            f"chunks   {self._chunks()}",
            f"memory   {self._memory()}",
            f"sample   {self._sample()}",
            f"time     {self._time()}",
            "Nothing was written: this is what would happen without --plan.",
        ]

    def _rows(self) -> str:
        if self.work.rows is None:
            return "not known before they are read"
        changed = f"; {self.work.gone:,} gone and {self.work.changed:,} changed since they were planned"
        return f"{self.work.rows:,}, of which {self.work.done_rows:,} are there already" + (
            changed if self.work.gone or self.work.changed else ""
        )

    def _left_out(self) -> str:
        total = sum(self.work.left_out.values())
        return f"  ({total:,} files left out)" if total else ""

    def _chunks(self) -> str:
        if self.work.chunks is None:
            return f"none: it is scored in one go, by {self.work.workers} workers at once"
        there = f", {self.work.done_chunks:,} there" if self.work.done_chunks else ""
        return f"{self.work.chunks:,} to do{there}; {self.work.workers} workers at once"

    def _memory(self) -> str:
        fixed = f"the model's files {_mb(self.model_bytes)}, heap of this JVM up to {_mb(self.heap_bytes)}"
        if self.sample is None:
            return fixed
        each, all_ = self.sample.worker_bytes, self.sample.worker_bytes * self.sample.workers
        return f"a worker {_mb(each)} in the sample, {_mb(all_)} for {self.sample.workers}; {fixed}"

    def _sample(self) -> str:
        if self.sample is None:
            return "none"
        counts = in_words(self.sample.by_status)
        found = (
            f"{self.sample.photos:,} photos at {self.sample.rate:,.1f} a second ({counts}); workers were ready after "
            f"{self.sample.ready_s:.0f} s"
        )
        if self.bad_share <= self.max_error_rate:
            return found
        return (
            f"{found}. {self.bad_share:.1%} have no prediction, more than --max-error-rate {self.max_error_rate:.2%} "
            "allows: the job would fail if all are so"
        )

    def _time(self) -> str:
        seconds = self.seconds
        if seconds is None:
            return "not known: nobody knows how many rows there are"
        return f"about {duration(seconds)}, as far as the sample tells" if seconds else "none: nothing is new"


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"
