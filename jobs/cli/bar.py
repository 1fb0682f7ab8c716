"""A job's progress on a terminal: one bar, with lines above it, gone when the job is."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from ..telling import Step, duration
from .shared import say

BEFORE, MEANWHILE = "getting ready", "scoring"


@contextmanager
def telling(verbose: bool) -> Iterator[Callable[[str], None]]:
    """Gives what a job is to tell: a bar where stderr is a terminal, else lines.

    With `verbose` lines, too: Spark writes between them.
    """
    console = Console(stderr=True)
    if verbose or not sys.stderr.isatty() or console.is_dumb_terminal:
        yield say
        return
    with Bar(console).shown() as bar:
        yield bar


class Bar:
    """Takes lines as `say` does, and steps."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[says]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,  # that is for answers
        )
        self._task = self._progress.add_task(BEFORE, total=None, says="")

    @contextmanager
    def shown(self) -> Iterator["Bar"]:
        """On the terminal while inside."""
        with self._progress:
            self._progress.console.show_cursor(True)  # a command that is killed cannot bring it back
            yield self

    def __call__(self, line: str) -> None:
        """Above the bar, as it is: a path may look like markup."""
        self._progress.console.print(Text(line), soft_wrap=True)

    def step(self, step: Step) -> None:
        """The bar, by rows if it is known how many there are, else by tasks."""
        done, total = (step.rows, step.total) if step.total is not None else step.tasks
        self._progress.update(
            self._task, description=MEANWHILE, completed=done, total=total or None, says=says(step)
        )


def says(step: Step) -> str:
    """A step in few words: photos done, rate, time left and bad rows."""
    of = f"/{step.total:,}" if step.total is not None else ""
    left = "" if step.left_s is None else f" · {duration(step.left_s)} left"
    bad = "" if step.bad is None else f" · {step.bad:,} bad"
    return f"{step.rows:,}{of} photos · {step.rate:,.1f}/s{left}{bad}"
