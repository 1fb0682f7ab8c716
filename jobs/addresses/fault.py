"""Why there is no photo at an address: data of its row, and never its address, which may carry a credential."""

import sys
from dataclasses import dataclass

from pyspark import cloudpickle

# Spelt by pyfunc_models.Status too, which no executor has.
MISSING, UNREACHABLE, FORBIDDEN = "missing", "unreachable", "forbidden"
UNSUPPORTED, TOO_LARGE = "unsupported", "too_large"

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


class NoPhoto(Exception):
    """`status` and `error` of the row."""

    def __init__(self, status: str, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, f"no photo: {error}"


@dataclass(frozen=True)
class Got:
    """What became of one row: a photo's bytes, or a fault; neither where the row names no photo."""

    content: bytes | None = None
    status: str | None = None
    error: str | None = None
