"""The command that scores photos."""

from typing import Any

import click

from registry import Registry

from .shared import AS_JSON, answer, pairs, say


@click.command()
@click.argument("uri")
@click.option(
    "--input",
    "input_path",
    required=True,
    metavar="PATH",
    help="A folder or glob of photos, or a table; see --input-format.",
)
@click.option(
    "--output", "output_path", required=True, metavar="PATH", help="A folder that does not exist yet."
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
    "--keep", multiple=True, metavar="COLUMN", help="A column to keep; repeat for more (default: path)."
)
@click.option("--output-format", default="parquet", show_default=True, help="A format that Spark writes.")
@click.option(
    "--precision", metavar="f32|bf16|int8", help="One that the version was registered with (default: f32)."
)
@click.option(
    "--transform", metavar="exact|fast", help="One that the version was registered with (default: exact)."
)
@click.option(
    "--decode", metavar="full|reduced", help="One that the version was registered with (default: full)."
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Photos a batch (default: what suits the device).",
)
@click.option("--top-k", type=click.IntRange(min=1), metavar="K", help="Classes in `top` (default: 5).")
@click.option(
    "--max-error-rate",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="Share of rows that may have no prediction before the job fails.",
)
@click.option(
    "--master",
    metavar="URL",
    help="Spark master, such as spark://host:7077 (default: spark-submit's, or all local cores).",
)
@click.option(
    "--conf",
    multiple=True,
    metavar="KEY=VALUE",
    help="A Spark setting; wins over stagewright's own. Repeat for more.",
)
@AS_JSON
def score(uri: str, master: str | None, conf: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Score photos with the version that URI means, such as models:/NAME/Production."""
    from .. import batch, session, workers
    from ..errors import ErrorBudgetExceeded

    job = batch.from_options(uri, given)
    settings = pairs(conf, "--conf")
    registry = Registry()
    batch.check(registry, job)  # a wrong name is told at once, not after Spark's start
    master, settings = workers.for_models(registry, [job.model], master, settings, say)
    try:
        done = batch.run(session.open_session(master, settings), registry, job, say)
    except ErrorBudgetExceeded as error:
        answer(error.report.document(), error.report.lines(), as_json)
        raise
    answer(done.document(), done.lines(), as_json)
