"""What a person or a scheduler runs: Spark's driver only; nothing in here runs on an executor."""

from .comparison.comparing import CompareJob, compare
from .comparison.report import ComparisonReport
from .errors import ErrorBudgetExceeded, InputError, JobError, JobFailed, SparkUnavailable
from .evaluation.evaluating import EvaluateJob, evaluate
from .evaluation.report import EvaluationReport
from .scoring.batch import ScoreJob, run
from .scoring.options import ScoreOptions
from .scoring.report import ScoreReport
from .scoring.sinks import Sink
from .scoring.sources import Source, read
from .scoring.udf import score
from .spark.session import open_session

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
