"""The commands that find out how good a version is."""

from typing import Any

import click

from .job_options import (
    BATCH_SIZE,
    DATASET,
    DECODE,
    FOLLOW_LINKS,
    MAX_PIXELS,
    OUTPUT,
    PHOTO_TIMEOUT,
    PRECISION,
    ROWS,
    RUNNING,
    TRANSFORM,
)
from .running import Command, carry_out
from .shared import PASSWORD_ENV, PRIVATE_KEY, signer


@click.command()
@click.argument("uri")
@click.option("--images", required=True, metavar="DIR", help="The folder of photos, searched to its depth.")
@click.option(
    "--labels",
    required=True,
    metavar="CSV",
    help="With the columns file, a photo's path below the folder, and class_index, its class from 0 on.",
)
@FOLLOW_LINKS
@DATASET
@PRECISION
@DECODE
@TRANSFORM
@BATCH_SIZE
@PRIVATE_KEY
@PASSWORD_ENV
@MAX_PIXELS
@PHOTO_TIMEOUT
@RUNNING
def evaluate(uri: str, private_key: str | None, password_env: str | None, **given: Any) -> None:
    """Say how often the version that URI means is right, on labelled photos; kept for gates to ask."""
    given["signer"] = signer(private_key, password_env)

    def load() -> Command:
        from ..evaluation import evaluating

        return evaluating.from_options(uri, given), evaluating.check, evaluating.evaluate

    carry_out(load, given)


@click.command()
@click.argument("uri_a")
@click.argument("uri_b")
@ROWS
@OUTPUT
@click.option(
    "--labels",
    metavar="CSV",
    help="Which of the two is right; a CSV as `evaluate` takes it, PATH is a folder.",
)
@DATASET
@PRECISION
@BATCH_SIZE
@PRIVATE_KEY
@PASSWORD_ENV
@MAX_PIXELS
@PHOTO_TIMEOUT
@RUNNING
def compare(uri_a: str, uri_b: str, private_key: str | None, password_env: str | None, **given: Any) -> None:
    """Ask two versions about the same photos: URI_A, and URI_B that may take its place."""
    given["signer"] = signer(private_key, password_env)

    def load() -> Command:
        from ..comparison import comparing

        return comparing.from_options(uri_a, uri_b, given), comparing.check, comparing.compare

    carry_out(load, given)


COMMANDS = (evaluate, compare)
