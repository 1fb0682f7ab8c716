"""How the commands that need Spark run: what can be told at once is told before it starts."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from registry import Registry

from .. import scratch
from ..errors import ErrorBudgetExceeded, JobFailed, SparkUnavailable
from . import interrupts
from .shared import answer, pairs, say


class Subject(Protocol):
    """What is known of a job before Spark starts."""

    @property
    def models(self) -> tuple[Path, ...]:
        """The directories that workers will load."""


def carry_out(
    job: Any, check: Callable[[Registry, Any], Subject], run: Callable[..., Any], given: dict[str, Any]
) -> None:
    """Check the job, start Spark, run it, and answer with its report; `given` are the options of RUNNING."""
    from ..scoring.recording import end_abandoned
    from ..spark import faults, session, workers

    settings = pairs(given["conf"], "--conf")
    registry = Registry()
    end_abandoned(registry, given["experiment"])
    subject = check(registry, job)
    master, settings = workers.for_models(subject.models, given["master"], settings, say)
    try:
        with _log(given["verbose"]) as log, faults.explained(faults.AGAIN):
            spark = session.open_session(master, settings, log)
            interrupts.as_before_spark()
            done = run(spark, registry, job, say, subject)
    except ErrorBudgetExceeded as error:
        answer(error.report.document(), error.report.lines(), given["as_json"])
        raise
    answer(done.document(), done.lines(), given["as_json"])


@contextmanager
def _log(verbose: bool) -> Iterator[Path | None]:
    """The file for what Spark itself has to say, which stays where Spark fails; None where stderr is to have it."""
    log = None if verbose else scratch.folder() / "spark.log"
    if log is not None:
        log.touch(mode=0o600)
    try:
        yield log
    except (JobFailed, SparkUnavailable) as error:
        raise _with_trace(error, log) from error.__cause__


def _with_trace(error: JobFailed | SparkUnavailable, log: Path | None) -> JobFailed | SparkUnavailable:
    """The same, and after its line what Java has to say of it, or in which file that is."""
    from ..spark import faults

    trace = "".join(traceback.format_exception(error.__cause__)) if error.__cause__ else ""
    if log is None:
        error.add_note(trace)
        return error
    said = log.read_text(errors="replace")
    why = faults.told(said)
    if why is not None and faults.GONE in str(error):
        error = type(error)(str(error).replace(faults.GONE, why))
    if said or trace:  # else Spark was not even asked
        with suppress(OSError):  # a full disk may be what is told of
            kept = scratch.keep_log(log)
            error.add_note(f"Spark's log: {kept}")
            with kept.open("a") as file:
                file.write(trace)
    return error
