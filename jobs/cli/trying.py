"""The commands that try out this machine and the product."""

from pathlib import Path
from typing import Any

import click

from .job_options import REMOTE, SPARK
from .running import Command, carry_out, log_of_spark
from .shared import AS_JSON, answer, say


@click.command()
@click.argument("uri", required=False)
@click.option(
    "--keep-classes",
    is_flag=True,
    help="First keep Spark's classes in the cache folder (190 MB), so that local jobs start sooner.",
)
@REMOTE
@SPARK
@AS_JSON
def doctor(uri: str | None, keep_classes: bool, **given: Any) -> None:
    """Check what a job needs on this machine; or whether a worker answers the golden photos of the version URI."""
    if uri is not None:
        if keep_classes:
            raise click.UsageError("--keep-classes is about this machine: give it without a URI.")
        _try_out(uri, given)
        return
    if any(given[option] for option in ("master", "remote", "conf", "verbose")):
        raise click.UsageError(
            "--master, --remote, --conf and --verbose are for the worker that tries out a version: name its URI."
        )
    from .. import doctor as examination

    if keep_classes:
        from ..spark import class_archive

        say("Keeping Spark's classes: this takes about a minute")
        class_archive.make()
    findings = examination.examine()
    answer(
        [finding.document() for finding in findings],
        [finding.line() for finding in findings],
        given["as_json"],
    )
    if not all(finding.good for finding in findings):
        raise click.exceptions.Exit(1)


def _try_out(uri: str, given: dict[str, Any]) -> None:
    def load() -> Command:
        from .. import trial

        return uri, trial.check, trial.run

    from ..spark import connect

    # A worker that answers otherwise would do so again. How often a server's tasks are tried it was started with.
    once = () if given["remote"] or connect.is_meant() else ("spark.task.maxFailures=1",)
    if not carry_out(load, {**given, "conf": (*given["conf"], *once)}, leaves_runs=True).good:
        raise click.exceptions.Exit(1)


@click.command()
@click.option(
    "--folder",
    default="demo-output",
    show_default=True,
    metavar="DIR",
    help="Where registry, photos and predictions go.",
)
def demo(folder: str) -> None:
    """Register a pretrained model, promote it, score real photos by models:/…/Production, show what came out."""
    from .. import demo as tour

    with log_of_spark(verbose=False) as log:
        shown = tour.run(Path(folder), say, log)
    answer(None, shown, as_json=False)


COMMANDS = (doctor, demo)
