"""How the commands that need Spark run: what can be told at once is told before it starts."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from registry import Registry

from .shared import answer, pairs, say


class Subject(Protocol):
    """What is known of a job before Spark starts."""

    @property
    def models(self) -> tuple[Path, ...]:
        """The directories that workers will load."""


def carry_out(
    job: Any, check: Callable[[Registry, Any], Subject], run: Callable[..., Any], given: dict[str, Any]
) -> None:
    """Check the job, start Spark, run it, and answer with its report; `given` are the options of RUNNING.

    Spark's own log goes to a file, which stays where the command does not end well.
    """
    from ..errors import ErrorBudgetExceeded, JobFailed, SparkUnavailable
    from ..spark import session, workers

    settings = pairs(given["conf"], "--conf")
    registry = Registry()
    subject = check(registry, job)
    master, settings = workers.for_models(subject.models, given["master"], settings, say)
    log = None if given["verbose"] else _new_log()
    try:
        done = run(session.open_session(master, settings, log), registry, job, say, subject)
    except ErrorBudgetExceeded as error:
        answer(error.report.document(), error.report.lines(), given["as_json"])
        raise
    except (JobFailed, SparkUnavailable):
        if log is not None and log.stat().st_size:
            say(f"Spark's log: {log}")
            log = None
        raise
    finally:
        if log is not None:
            log.unlink(missing_ok=True)
    answer(done.document(), done.lines(), given["as_json"])


def _new_log() -> Path:
    descriptor, name = tempfile.mkstemp(prefix="stagewright-spark-", suffix=".log")
    os.close(descriptor)
    return Path(name)
