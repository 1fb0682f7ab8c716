"""What can become of a row."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What became of a row."""

    OK = "ok"
    EMPTY = "empty"
    UNDECODABLE = "undecodable"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    MISSING = "missing"
    # Said by the job, of a photo that no wrapper survives.
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    # Said by the job, of a photo that it was to fetch.
    UNREACHABLE = "unreachable"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why a row has no prediction: data, not an exception. `error` is one line."""

    status: Status
    error: str
