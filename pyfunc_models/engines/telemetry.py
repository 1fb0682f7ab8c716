"""OpenVINO and NNCF report to Google Analytics when they are imported; nothing here does, on no executor."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_REPORTER = "openvino_telemetry"


@contextmanager
def no_reports() -> Iterator[None]:
    """Import OpenVINO or NNCF in here: without their reporter both make do with a stub, for the whole process."""
    before = sys.modules.get(_REPORTER)
    sys.modules[_REPORTER] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_REPORTER]
        if before is not None:
            sys.modules[_REPORTER] = before
