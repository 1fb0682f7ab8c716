"""The command that scores photos."""

from typing import Any

import click

from .job_options import (
    ADDRESSES,
    ALLOW_FOREIGN,
    BATCH_SIZE,
    DECODE,
    MAX_PIXELS,
    PHOTO_TIMEOUT,
    PRECISION,
    ROWS,
    RUNNING,
    SINK,
    TRANSFORM,
)
from .running import Command, carry_out


@click.command()
@click.argument("uri")
@ROWS
@ADDRESSES
@SINK
@click.option(
    "--quarantine",
    metavar="PATH",
    help="A folder that gets the rows without a prediction once more: key, status, reason.",
)
@click.option("--quarantine-bytes", is_flag=True, help="With the bytes of these photos.")
@click.option(
    "--follow",
    is_flag=True,
    help="Where the output holds another version's answers, score all again beside it, then put that in its place.",
)
@click.option(
    "--plan",
    is_flag=True,
    help="Say what would happen and how long it would take, from a sample, and write nothing.",
)
@PRECISION
@DECODE
@TRANSFORM
@BATCH_SIZE
@MAX_PIXELS
@PHOTO_TIMEOUT
@click.option("--top-k", type=click.IntRange(min=1), metavar="K", help="Classes in `top` (default: 5).")
@click.option(
    "--no-record",
    is_flag=True,
    help="Make no MLflow run: the registry is read, and nothing is written to it.",
)
@ALLOW_FOREIGN
@RUNNING
def score(uri: str, **given: Any) -> None:
    """Score photos, or rows of a table, with the version that URI means, such as models:/NAME/Production."""

    def load() -> Command:
        from ..scoring import batch, planning

        job = batch.from_options(uri, given)
        return (job, planning.check, planning.forecast) if given["plan"] else (job, batch.check, batch.run)

    carry_out(load, given, leaves_runs=given["plan"] or given["no_record"])


COMMANDS = (score,)
