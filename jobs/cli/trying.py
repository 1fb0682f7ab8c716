"""The commands that try out this machine and the product."""

from pathlib import Path

import click

from .shared import AS_JSON, answer, say


@click.command()
@click.option(
    "--keep-classes",
    is_flag=True,
    help="First keep Spark's classes in the cache folder (190 MB), so that local jobs start sooner.",
)
@AS_JSON
def doctor(keep_classes: bool, as_json: bool) -> None:
    """Check what a job needs on this machine, and say what to do about what is missing."""
    from .. import doctor as examination

    if keep_classes:
        from ..spark import class_archive

        say("Keeping Spark's classes: this takes about a minute")
        class_archive.make()
    findings = examination.examine()
    answer([finding.document() for finding in findings], [finding.line() for finding in findings], as_json)
    if not all(finding.good for finding in findings):
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

    answer(None, tour.run(Path(folder), say), as_json=False)


COMMANDS = (doctor, demo)
