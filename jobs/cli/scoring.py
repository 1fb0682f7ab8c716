"""The command that scores photos."""

from typing import Any

import click

from .job_options import BATCH_SIZE, DECODE, MAX_PIXELS, PHOTO_TIMEOUT, PRECISION, ROWS, RUNNING, TRANSFORM
from .running import carry_out


@click.command()
@click.argument("uri")
@ROWS
@click.option("--output-format", default="parquet", show_default=True, help="A format that Spark writes.")
@PRECISION
@DECODE
@TRANSFORM
@BATCH_SIZE
@MAX_PIXELS
@PHOTO_TIMEOUT
@click.option("--top-k", type=click.IntRange(min=1), metavar="K", help="Classes in `top` (default: 5).")
@RUNNING
def score(uri: str, **given: Any) -> None:
    """Score photos with the version that URI means, such as models:/NAME/Production."""
    from ..scoring import batch

    carry_out(batch.from_options(uri, given), batch.check, batch.run, given)


COMMANDS = (score,)
