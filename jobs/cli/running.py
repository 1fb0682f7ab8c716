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
from .bar import telling
from .shared import answer, pairs


class Subject(Protocol):
    """What is known of a job before Spark starts."""

    @property
    def models(self) -> tuple[Path, ...]:
        """The directories that workers will load."""


# A job, what checks it before Spark is there, and what runs it.
Command = tuple[Any, Callable[[Registry, Any], Subject], Callable[..., Any]]


def carry_out(load: Callable[[], Command], given: dict[str, Any], *, leaves_runs: bool = False) -> Any:
    """Load the command while Spark starts, check its job, run it, and answer with its report, which it gives.

    `given` are the options of RUNNING. With `leaves_runs` runs whose process is gone stay as they are.
    """
    from ..spark import connect, faults, starting, waiting

    asked, verbose = (given["master"], pairs(given["conf"], "--conf")), given["verbose"]
    try:
        with (
            connect.heeded(given["remote"], given["master"]),
            telling(verbose) as say,
            log_of_spark(verbose) as log,
            starting.started(*asked, log) as start,
        ):
            job, check, run = load()
            registry = Registry()
            if not leaves_runs:
                _end_abandoned(registry, given["experiment"])
            subject = check(registry, job)
            with faults.explained(faults.AGAIN):
                spark = start.session(*_settings(subject, *asked, say))
                interrupts.as_before_spark()
                with waiting.told_of(spark, say):
                    done = run(spark, registry, job, say, subject)
    except ErrorBudgetExceeded as error:
        answer(error.report.document(), error.report.lines(), given["as_json"])
        raise
    answer(done.document(), done.lines(), given["as_json"])
    return done


def _settings(
    subject: Subject, master: str | None, conf: dict[str, str], say: Callable[[str], None]
) -> tuple[str | None, dict[str, str]]:
    """Of a session for the subject's models; a server's executors are as they are."""
    from ..spark import connect, workers

    if connect.is_meant():
        return master, conf
    return workers.for_models(subject.models, master, conf, say)


def _end_abandoned(registry: Registry, experiment: str | None) -> None:
    from ..scoring.recording import end_abandoned

    end_abandoned(registry, experiment)


@contextmanager
def log_of_spark(verbose: bool) -> Iterator[Path | None]:
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
