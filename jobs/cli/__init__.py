"""The command line: parse, call, print, exit code. The only place that prints.

Exit codes: 0 done; 1 refused or failed; 2 wrong usage or input. Results go to stdout, all else to stderr.
"""

import logging
import os
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

from registry import Refusal, RegistryError, machine
from registry.tag_values import once

from .. import scratch
from . import interrupts
from .shared import say

# The commands, a file for those that belong together: it says `COMMANDS`, and a line here names it.
FILES = (
    "registering",
    "looking",
    "overview",
    "moving",
    "telling",
    "signing",
    "governing",
    "scoring",
    "evaluating",
    "reporting",
    "trying",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stagewright")
def cli() -> None:
    """Register torch image models, score photos with them on Spark, move versions between stages.

    MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI name the registry; with neither it is sqlite:///mlflow.db in the
    current folder.
    """


for _file in FILES:
    for _command in import_module(f".{_file}", __name__).COMMANDS:
        cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code and never shows a traceback for a user's mistake."""
    _quieten()
    try:
        with interrupts.heeded(), scratch.everything_inside(), once():
            code = cli.main(args=arguments, prog_name="stagewright", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("Interrupted.")
        return 1
    except Exception as error:
        code = exit_code(error)
        said = str(error) if code is not None else machine.explain(error)
        if said is None:
            raise
        say(f"stagewright: {said}")
        for more in getattr(error, "__notes__", ()):
            say(more)
        return 1 if code is None else code


def exit_code(error: Exception) -> int | None:
    """1 for what was refused or failed, 2 for a mistake in what was asked; None for a fault of our own."""
    if isinstance(error, RegistryError):
        return 1 if isinstance(error, Refusal) else 2
    from ..errors import InputError, JobError

    if isinstance(error, JobError):
        return 2 if isinstance(error, InputError) else 1
    return None


def _quieten() -> None:
    """Keep libraries' notices to their developers off a user's screen; faults still show."""
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # What is wrong with a database is raised, too.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    # It logs the trace of an interrupt, or of a JVM that is gone, partly by no logger of its own, and raises it too.
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    logging.getLogger().addFilter(_not_of_py4j)
    # MLflow sets its own level when it is imported, which is later: most of a command starts without it.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")


def _not_of_py4j(record: logging.LogRecord) -> bool:
    return "py4j" not in Path(record.pathname).parts
