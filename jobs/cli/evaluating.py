"""The commands that find out how good a version is."""

from typing import Any

import click

from registry import Registry

from .shared import AS_JSON, answer, pairs, say

PRECISION = click.option(
    "--precision", metavar="f32|bf16|int8", help="One that was registered (default: f32)."
)
TRANSFORM = click.option(
    "--transform", metavar="exact|fast", help="One that was registered (default: exact)."
)
DECODE = click.option("--decode", metavar="full|reduced", help="One that was registered (default: full).")
BATCH_SIZE = click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Photos a batch (default: what suits the device).",
)
MAX_ERROR_RATE = click.option(
    "--max-error-rate",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="Share of photos that may have no answer before the command fails.",
)
MASTER = click.option(
    "--master", metavar="URL", help="Spark master (default: spark-submit's, or all local cores)."
)
CONF = click.option("--conf", multiple=True, metavar="KEY=VALUE", help="A Spark setting; repeat for more.")
DATASET = click.option(
    "--dataset", metavar="NAME", help="What gates call these photos (default: the folder's name)."
)


@click.command()
@click.argument("uri")
@click.option("--images", required=True, metavar="DIR", help="The folder of photos, searched to its depth.")
@click.option(
    "--labels",
    required=True,
    metavar="CSV",
    help="With the columns file, a photo's path below the folder, and class_index, its class from 0 on.",
)
@DATASET
@PRECISION
@TRANSFORM
@DECODE
@BATCH_SIZE
@MAX_ERROR_RATE
@MASTER
@CONF
@AS_JSON
def evaluate(uri: str, master: str | None, conf: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Say how often the version that URI means is right, on labelled photos; kept for gates to ask."""
    from .. import evaluation, session, workers
    from ..errors import ErrorBudgetExceeded

    job = evaluation.from_options(uri, given)
    settings = pairs(conf, "--conf")
    registry = Registry()
    evaluation.check(registry, job)  # a mistake in the labels is told at once, not after Spark's start
    master, settings = workers.for_models(registry, [job.model], master, settings, say)
    try:
        done = evaluation.evaluate(session.open_session(master, settings), registry, job, say)
    except ErrorBudgetExceeded as error:
        answer(error.report.document(), error.report.lines(), as_json)
        raise
    answer(done.document(), done.lines(), as_json)


@click.command()
@click.argument("uri_a")
@click.argument("uri_b")
@click.option(
    "--input", "input_path", required=True, metavar="PATH", help="A folder or glob of photos, or a table."
)
@click.option(
    "--output", "output_path", required=True, metavar="PATH", help="A folder that does not exist yet."
)
@click.option(
    "--labels",
    metavar="CSV",
    help="Which of the two is right; a CSV as `evaluate` takes it, PATH is a folder.",
)
@click.option(
    "--input-format",
    default="images",
    show_default=True,
    help="images, table (PATH is its name), or a format that Spark reads, such as parquet.",
)
@click.option(
    "--content-column", default="content", show_default=True, help="The binary column with the photos' bytes."
)
@click.option(
    "--keep", multiple=True, metavar="COLUMN", help="A column to keep, the first is the key (default: path)."
)
@DATASET
@PRECISION
@BATCH_SIZE
@MAX_ERROR_RATE
@MASTER
@CONF
@AS_JSON
def compare(
    uri_a: str, uri_b: str, master: str | None, conf: tuple[str, ...], as_json: bool, **given: Any
) -> None:
    """Ask two versions about the same photos: URI_A, and URI_B that may take its place."""
    from .. import comparison, session, workers
    from ..errors import ErrorBudgetExceeded

    job = comparison.from_options(uri_a, uri_b, given)
    settings = pairs(conf, "--conf")
    registry = Registry()
    comparison.check(registry, job)  # a mistake is told at once, not after Spark's start
    master, settings = workers.for_models(registry, [job.a, job.b], master, settings, say)
    try:
        done = comparison.compare(session.open_session(master, settings), registry, job, say)
    except ErrorBudgetExceeded as error:
        answer(error.report.document(), error.report.lines(), as_json)
        raise
    answer(done.document(), done.lines(), as_json)
