"""The command `stagewright`, `python -m jobs`, and the file to hand to spark-submit, which takes no command."""

import atexit
import os
import sys
import threading
from typing import NoReturn

from jobs.cli import main


def command() -> NoReturn:
    """What the command line asks for; ends this process with its exit code."""
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
