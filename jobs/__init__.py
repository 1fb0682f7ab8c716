"""What a person or a scheduler runs: Spark's driver only; nothing in here runs on an executor."""

from .batch import ScoreJob, run
from .errors import ErrorBudgetExceeded, InputError, JobError, JobFailed, SparkUnavailable
from .report import ScoreReport
from .scoring import ScoreOptions, score
from .session import open_session
from .sinks import Sink
from .sources import Source, read

__all__ = [
    "ErrorBudgetExceeded",
    "InputError",
    "JobError",
    "JobFailed",
    "ScoreJob",
    "ScoreOptions",
    "ScoreReport",
    "Sink",
    "Source",
    "SparkUnavailable",
    "open_session",
    "read",
    "run",
    "score",
]
