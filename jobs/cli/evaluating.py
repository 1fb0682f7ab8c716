"""The commands that find out how good a version is."""

from typing import Any

import click

from registry import Registry

from .job_options import (
    ALLOW_FOREIGN,
    BATCH_SIZE,
    CONTENT_COLUMN,
    DATASET,
    DECODE,
    FOLLOW_LINKS,
    INPUT_FORMAT,
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
@click.option("--images", metavar="DIR", help="The folder of photos, searched to its depth.")
@click.option(
    "--labels",
    metavar="CSV",
    help="With the columns file, a photo's path below the folder, and class_index, its class from 0 on.",
)
@click.option(
    "--input",
    "input_path",
    metavar="PATH",
    help="Of a version that stagewright did not package: a table of rows, in place of photos.",
)
@INPUT_FORMAT
@CONTENT_COLUMN
@click.option("--label-column", metavar="COLUMN", help="Of a table: what is right.")
@click.option("--answer", metavar="NAME", help="The output that is held against it, where there are several.")
@ALLOW_FOREIGN
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
def evaluate(uri: str, password_env: str | None, **given: Any) -> None:
    """Say how often the version that URI means is right, on labelled photos or rows; kept for gates to ask."""
    given["signer"] = signer(given["private_key"], password_env)

    def load() -> Command:
        from ..evaluation import evaluating, tables

        if given["input_path"]:
            return tables.from_options(uri, given), tables.check, tables.evaluate
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
@click.option("--answer", metavar="NAME", help="Of versions that take columns: the output that is compared.")
@ALLOW_FOREIGN
@DATASET
@PRECISION
@BATCH_SIZE
@PRIVATE_KEY
@PASSWORD_ENV
@MAX_PIXELS
@PHOTO_TIMEOUT
@RUNNING
def compare(uri_a: str, uri_b: str, password_env: str | None, **given: Any) -> None:
    """Ask two versions about the same photos, or rows: URI_A, and URI_B that may take its place."""
    given["signer"] = signer(given["private_key"], password_env)

    def load() -> Command:
        from ..comparison import comparing, tables

        if tables.is_meant(Registry(), uri_a, uri_b):
            return tables.from_options(uri_a, uri_b, given), tables.check, tables.compare
        return comparing.from_options(uri_a, uri_b, given), comparing.check, comparing.compare

    carry_out(load, given)


COMMANDS = (evaluate, compare)
