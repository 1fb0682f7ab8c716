"""Options that `score`, `evaluate` and `compare` share."""

from collections.abc import Callable
from typing import Any

import click

from .shared import AS_JSON, pairs, say

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


def together(*options: Decorator) -> Decorator:
    """Several options as one, in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _exactly(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> None:
    if set(given) - {"exact"}:
        say(
            f"Photos are resized exactly: --transform {' '.join(given)} was no faster any more, and is no choice."
        )


# Scripts of earlier days go on with it.
TRANSFORM = click.option(
    "--transform",
    multiple=True,
    hidden=True,
    expose_value=False,
    callback=_exactly,
    type=click.Choice(["exact", "fast"]),
    help="No choice any more.",
)

FOLLOW_LINKS = click.option(
    "--follow-links",
    is_flag=True,
    help="Read photos that links lead to outside of the folder, and search linked folders, each once.",
)
INPUT_FORMAT = click.option(
    "--input-format",
    default="images",
    show_default=True,
    help="images, tar (archives of photos), table (PATH is its name), or a format that Spark reads, as parquet.",
)
CONTENT_COLUMN = click.option(
    "--content-column",
    default="content",
    show_default=True,
    help="The binary column with the photos' bytes, a struct's field (image.bytes), or a struct of bytes and path. "
    "Of a version that stagewright did not package: the column of the tensor that has no name.",
)
ROWS = together(
    click.option(
        "--input",
        "input_path",
        required=True,
        metavar="PATH",
        help="A folder or glob of photos or archives, or a table; see --input-format.",
    ),
    INPUT_FORMAT,
    CONTENT_COLUMN,
    click.option(
        "--keep",
        multiple=True,
        metavar="COLUMN",
        help="A column to keep; repeat for more, the first is the key (default: path).",
    ),
    FOLLOW_LINKS,
)
OUTPUT = click.option("--output", "output_path", required=True, metavar="PATH", help="A new folder.")


def _pairs(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    return tuple(pairs(given, "--output-option").items())


SINK = together(
    click.option(
        "--output",
        "output_path",
        metavar="PATH",
        help="A new folder, or one that it has begun, to go on with.",
    ),
    click.option(
        "--output-table",
        metavar="NAME",
        help="A new table of Spark's catalog, in place of --output; in one go.",
    ),
    click.option(
        "--output-format",
        default="parquet",
        show_default=True,
        help="parquet, delta, or another format that Spark writes.",
    ),
    click.option(
        "--output-option",
        "output_options",
        multiple=True,
        callback=_pairs,
        metavar="KEY=VALUE",
        help="An option of Spark's writer, such as compression=zstd; repeat for more; in one go.",
    ),
    click.option(
        "--partition-by",
        multiple=True,
        metavar="COLUMN",
        help="A column, such as status, that gets a folder a value; repeat for more; in one go.",
    ),
)
ADDRESSES = together(
    click.option(
        "--path-column",
        metavar="COLUMN",
        help="A column with the photos' addresses, which workers fetch: file, s3, gs, az, abfss, "
        "hdfs, http(s), or paths.",
    ),
    click.option(
        "--path-root",
        "path_roots",
        multiple=True,
        metavar="PREFIX",
        help="Fetch only what lies below it, such as /data/photos, s3://bucket/photos or https://host; repeat for "
        "more. Files and HDFS are read only with one, and so are hosts of networks that are not public.",
    ),
    click.option(
        "--max-bytes",
        type=click.IntRange(min=1),
        metavar="N",
        help="Fetched photos of more bytes are too_large (default: 268435456).",
    ),
)
PRECISION = click.option(
    "--precision",
    metavar="f32|bf16|int8",
    help="One that the version was registered with (default: f32).",
)
DECODE = click.option(
    "--decode", metavar="full|reduced", help="One that the version was registered with (default: full)."
)
BATCH_SIZE = click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Photos a batch (default: what suits the device).",
)
MAX_PIXELS = click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    metavar="N",
    help="Photos of more pixels are too_large (default: 89478485). JPEGs above that are decoded at a smaller scale.",
)
PHOTO_TIMEOUT = click.option(
    "--photo-timeout",
    "photo_timeout_s",
    type=click.IntRange(min=10),
    metavar="SECONDS",
    help="Photos that take longer to be read are `timeout` (default: 60).",
)
DATASET = click.option(
    "--dataset", metavar="NAME", help="What gates call these photos (default: the folder's name)."
)
ALLOW_FOREIGN = click.option(
    "--allow-foreign",
    is_flag=True,
    help="Let in a version that stagewright did not package, whose code and pickles then run on driver and workers.",
)
REMOTE = click.option(
    "--remote",
    metavar="URL",
    help="A Spark Connect server, such as sc://host:15002, in place of --master (default: SPARK_REMOTE).",
)
SPARK = together(
    click.option(
        "--master",
        metavar="URL",
        help="Spark master, such as spark://host:7077 (default: spark-submit's, or all local cores).",
    ),
    click.option(
        "--conf",
        multiple=True,
        metavar="KEY=VALUE",
        help="A Spark setting; wins over stagewright's own. Repeat for more.",
    ),
    click.option("--verbose", is_flag=True, help="Show on stderr what Spark itself has to say."),
)
RUNNING = together(
    click.option(
        "--max-error-rate",
        type=click.FloatRange(0, 1),
        default=0.01,
        show_default=True,
        help="Share of rows that may have no prediction before the job fails.",
    ),
    click.option(
        "--experiment",
        metavar="NAME",
        help="The MLflow experiment of the run (default: MLFLOW_EXPERIMENT_NAME, or stagewright-jobs).",
    ),
    REMOTE,
    SPARK,
    AS_JSON,
)
