"""The command line: parse, call, print, exit code. The only place that prints.

Exit codes: 0 done; 1 refused or failed; 2 wrong usage or input. Results go to stdout, all else to stderr.
"""

import json
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import click

from registry import Refusal, Registry, RegistryError

from . import tables

NAME = click.argument("name")
AS_JSON = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else there."
)
BECAUSE = click.option("--because", metavar="TEXT", default="", help="Why; kept in the model's history.")


class Expectation(click.ParamType[int | str]):
    """A version's number, or `none` for an empty stage."""

    name = "VERSION|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Raises BadParameter on anything else."""
        text = str(value)
        if text == "none":
            return text
        if not text.isdigit():
            self.fail(f"{text!r} is neither a version's number nor `none`.", param, ctx)
        return int(text)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stagewright")
def cli() -> None:
    """Register torch image models, score photos with them on Spark, move versions between stages.

    MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI name the registry; with neither it is sqlite:///mlflow.db in the
    current folder.
    """


def say(line: str) -> None:
    """To a person, on stderr."""
    click.echo(line, err=True)


def answer(document: Any, lines: Sequence[str], as_json: bool) -> None:
    """The command's result, on stdout."""
    click.echo(json.dumps(document, indent=2, default=str) if as_json else "\n".join(lines))


@cli.command()
@NAME
@click.option(
    "--architecture", required=True, metavar="REF", help="torchvision:resnet50 or package.module:callable."
)
@click.option(
    "--arg",
    "arguments",
    multiple=True,
    metavar="VALUE",
    help="Argument of the callable: VALUE or NAME=VALUE; repeat for more.",
)
@click.option(
    "--weights",
    required=True,
    metavar="FILE",
    help="A state_dict: .safetensors, or .pt read with weights_only.",
)
@click.option(
    "--labels", metavar="FILE", help="One label a line, or a JSON list, in the order of the logits."
)
@click.option("--preprocess", metavar="FILE", help="Preprocess as JSON, in place of the five options below.")
@click.option("--resize", metavar="N", type=int, help="Length of the shorter edge, in pixels.")
@click.option("--crop", metavar="N", type=int, help="Edge of the centre crop, in pixels.")
@click.option(
    "--interpolation",
    type=click.Choice(["bilinear", "bicubic"]),
    help="How photos are resized (default: bilinear).",
)
@click.option("--mean", metavar="R,G,B", help="Mean of each channel, of values in 0 to 1 (default: 0,0,0).")
@click.option("--std", metavar="R,G,B", help="Standard deviation of each channel (default: 1,1,1).")
@click.option(
    "--kind",
    default="classifier",
    show_default=True,
    help="What a prediction is, such as classifier or embedder.",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    metavar="f32|bf16|int8",
    help="Arithmetic that jobs may choose; repeat for more. f32 is always there, the others are measured.",
)
@click.option(
    "--golden",
    metavar="DIR",
    help="Photos on which precisions are measured against f32; half of them calibrate int8.",
)
@click.option(
    "--min-agreement",
    metavar="0..1",
    type=click.FloatRange(0, 1),
    help="Refuse a precision that agrees less with f32 (default: 0.95; 0 takes any).",
)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="KEY=VALUE",
    help="A tag of your own for the version; repeat for more.",
)
@AS_JSON
def register(name: str, tags: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Package a torch model and make it a version of NAME; prints models:/NAME/VERSION."""
    from . import registering

    what = registering.from_options(name, given)
    done = registering.register(Registry(), what, _pairs(tags, "--tag"))
    version = done.version
    if not done.created:
        say(f"This very model is registered already, as version {version.number}.")
    say(f"Next: stagewright promote {name} {version.number} Staging")
    answer(
        {
            "uri": version.pinned_uri,
            "name": name,
            "version": version.number,
            "created": done.created,
            "model_digest": version.model_digest,
        },
        [version.pinned_uri],
        as_json,
    )


@cli.command()
@NAME
@AS_JSON
def versions(name: str, as_json: bool) -> None:
    """List the versions of NAME with stage, aliases and what they were made from."""
    found = Registry().versions(name)
    answer([tables.version_document(version) for version in found], tables.versions(found), as_json)


@cli.command()
@click.argument("uri")
@AS_JSON
def resolve(uri: str, as_json: bool) -> None:
    """Say which version URI means now, such as models:/NAME/Production."""
    version = Registry().resolve(uri)
    answer(tables.version_document(version), [version.pinned_uri], as_json)


@cli.command()
@NAME
@AS_JSON
def history(name: str, as_json: bool) -> None:
    """Show who registered, promoted and rolled back what, when and why."""
    events = Registry().history(name)
    answer([tables.event_document(event) for event in events], tables.events(events), as_json)


@cli.command()
@NAME
@click.argument("version", type=int)
@click.argument("stage")
@BECAUSE
@click.option("--expect", type=Expectation(), help="Refuse unless this version holds the stage now.")
def promote(name: str, version: int, stage: str, because: str, expect: int | Literal["none"] | None) -> None:
    """Move VERSION of NAME to STAGE (Staging, Production or Archived), its alias along with it."""
    moved = Registry().promote(name, version, stage, because=because, expect=expect)
    answer(None, tables.moved(moved), as_json=False)


@cli.command()
@NAME
@click.argument("stage")
@BECAUSE
def rollback(name: str, stage: str, because: str) -> None:
    """Put the version back that held STAGE before."""
    moved = Registry().rollback(name, stage, because=because)
    answer(None, tables.moved(moved), as_json=False)


@cli.command()
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
    from . import batch, session
    from .errors import ErrorBudgetExceeded

    job = batch.from_options(uri, given)
    settings = _pairs(conf, "--conf")
    registry = Registry()
    registry.resolve(uri)  # a wrong name is told at once, not after Spark's start
    try:
        done = batch.run(session.open_session(master, settings), registry, job, say)
    except ErrorBudgetExceeded as error:
        answer(error.report.document(), error.report.lines(), as_json)
        raise
    answer(done.document(), done.lines(), as_json)


@cli.command()
@AS_JSON
def doctor(as_json: bool) -> None:
    """Check what a job needs on this machine, and say what to do about what is missing."""
    from . import doctor as examination

    findings = examination.examine()
    answer([finding.document() for finding in findings], [finding.line() for finding in findings], as_json)
    if not all(finding.good for finding in findings):
        raise click.exceptions.Exit(1)


@cli.command()
@click.option(
    "--folder",
    default="demo-output",
    show_default=True,
    metavar="DIR",
    help="Where registry, photos and predictions go.",
)
def demo(folder: str) -> None:
    """Register a pretrained model, promote it, score real photos by models:/…/Production, show what came out."""
    from . import demo as tour

    answer(None, tour.run(Path(folder), say), as_json=False)


def _pairs(items: Sequence[str], option: str) -> dict[str, str]:
    pairs = {}
    for item in items:
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise click.UsageError(f"{option} {item!r} is not KEY=VALUE.")
        pairs[key] = value
    return pairs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code and never shows a traceback for a user's mistake."""
    _quieten()
    try:
        code = cli.main(args=arguments, prog_name="stagewright", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("Interrupted.")
        return 1
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        say(f"stagewright: {error}")
        return code


def exit_code(error: Exception) -> int | None:
    """1 for what was refused or failed, 2 for a mistake in what was asked; None for a fault of our own."""
    if isinstance(error, RegistryError):
        return 1 if isinstance(error, Refusal) else 2
    from .errors import InputError, JobError

    if isinstance(error, JobError):
        return 2 if isinstance(error, InputError) else 1
    return None


def _quieten() -> None:
    """Keep libraries' notices to their developers off a user's screen; faults still show."""
    for noisy in ("mlflow", "alembic", "py4j"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")


if __name__ == "__main__":
    sys.exit(main())
