"""What a person or a scheduler runs: Spark's driver only; nothing in here runs on an executor."""

import importlib
import typing

if typing.TYPE_CHECKING:
    from .comparison.comparing import CompareJob, compare
    from .comparison.report import ComparisonReport
    from .errors import ErrorBudgetExceeded, InputError, JobError, JobFailed, SparkUnavailable
    from .evaluation.evaluating import EvaluateJob, evaluate
    from .evaluation.report import EvaluationReport
    from .notebook import register
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
    "register",
    "run",
    "score",
]

# Where each is, imported when it is first asked for: `stagewright promote` needs neither pandas nor Spark.
_HOMES: dict[str, tuple[str, ...]] = {
    "comparison.comparing": ("CompareJob", "compare"),
    "comparison.report": ("ComparisonReport",),
    "errors": ("ErrorBudgetExceeded", "InputError", "JobError", "JobFailed", "SparkUnavailable"),
    "evaluation.evaluating": ("EvaluateJob", "evaluate"),
    "evaluation.report": ("EvaluationReport",),
    "notebook": ("register",),
    "scoring.batch": ("ScoreJob", "run"),
    "scoring.options": ("ScoreOptions",),
    "scoring.report": ("ScoreReport",),
    "scoring.sinks": ("Sink",),
    "scoring.sources": ("Source", "read"),
    "scoring.udf": ("score",),
    "spark.session": ("open_session",),
}

if not typing.TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """One of `__all__`. Raises AttributeError."""
        home = next((home for home, names in _HOMES.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(importlib.import_module(f".{home}", __name__), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
