"""What can go wrong with a job.

JobError
├── InputError              what was asked for cannot be done so: exit code 2
│   └── SparkUnavailable    no JDK, no cluster
├── PrecisionTooFar         a precision's answers are too far from f32's: exit code 1
├── JobFailed               Spark gave up: exit code 1
├── OutputBusy              another command works on the output: exit code 1
└── ErrorBudgetExceeded     too many photos without a prediction: exit code 1
"""

from typing import Any, Protocol


class Report(Protocol):
    """What a job found."""

    def document(self) -> dict[str, Any]:
        """For `--json`."""

    def lines(self) -> list[str]:
        """For a person."""


class JobError(Exception):
    """A job that did not do what was asked; the message says what, and the next step."""


class InputError(JobError):
    """The caller's input does not fit: a missing column, folder or format."""


class SparkUnavailable(InputError):
    """Spark does not start here, or its master does not answer."""


class PrecisionTooFar(JobError):
    """A precision agrees less with f32 than the floor asks for; nothing was registered."""


class JobFailed(JobError):
    """Spark gave up on the job."""


class OutputBusy(JobError):
    """Another command works on the same output at this moment."""


class ErrorBudgetExceeded(JobError):
    """More rows than allowed came out without a prediction; what was scored is written."""

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report


def first_line(error: BaseException) -> str:
    """Of what a library says, which may go on for pages."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)
