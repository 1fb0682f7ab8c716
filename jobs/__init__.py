"""What a person or a scheduler runs: Spark's driver only; nothing in here runs on an executor."""

from .batch import ScoreJob, run
from .comparison import CompareJob, compare
from .comparison_report import ComparisonReport
from .errors import ErrorBudgetExceeded, InputError, JobError, JobFailed, SparkUnavailable
from .evaluation import EvaluateJob, evaluate
from .evaluation_report import EvaluationReport
from .report import ScoreReport
from .scoring import ScoreOptions, score
from .session import open_session
from .sinks import Sink
from .sources import Source, read

__all__ = [
    "CompareJob",
    "ComparisonReport",
    "ErrorBudgetExceeded",
    "EvaluateJob",
    "EvaluationReport",
    "InputError",
    "JobError",
    "JobFailed",
    "ScoreJob",
    "ScoreOptions",
    "ScoreReport",
    "Sink",
    "Source",
    "SparkUnavailable",
    "compare",
    "evaluate",
    "open_session",
    "read",
    "run",
    "score",
]
