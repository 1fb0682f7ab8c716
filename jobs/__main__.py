"""The command `stagewright`, `python -m jobs`, and the file to hand to spark-submit, which takes no command."""

import atexit
import gc
import os
import sys
import threading
from typing import NoReturn

from jobs.cli import main

# What is imported stays, and each look for garbage goes through it: a quarter of what `import mlflow` takes.
GARBAGE_THRESHOLDS = (50_000, 20, 50)


def command() -> NoReturn:
    """What the command line asks for; ends this process with its exit code."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    _leave(main())


def _leave(code: int) -> NoReturn:
    """As `sys.exit`, but what was imported is not taken apart first: 0.7 s with MLflow and PySpark, for nothing."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads: Python says so in its own way
        sys.exit(code)
    os._exit(code)


if __name__ == "__main__":
    command()
