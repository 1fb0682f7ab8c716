"""The commands that make a version."""

from typing import Any

import click

from registry import Registry

from . import documents
from .job_options import TRANSFORM
from .shared import AS_JSON, BECAUSE, NAME, Size, answer, pairs, say


@click.command()
@NAME
@click.option(
    "--from",
    "folder",
    metavar="FOLDER",
    help="A model as transformers or timm saves it, in place of all options down to --std.",
)
@click.option("--architecture", metavar="REF", help="torchvision:NAME, timm:NAME or package.module:callable.")
@click.option(
    "--arg",
    "arguments",
    multiple=True,
    metavar="VALUE",
    help="Argument of the callable: VALUE or NAME=VALUE; repeat for more.",
)
@click.option(
    "--weights",
    metavar="FILE",
    help="A state_dict: .safetensors, or .pt read with weights_only.",
)
@click.option(
    "--labels", metavar="FILE", help="One label a line, or a JSON list, in the order of the logits."
)
@click.option("--preprocess", metavar="FILE", help="Preprocess as JSON, in place of the five options below.")
@click.option(
    "--resize",
    metavar="N|HxW",
    type=Size(),
    help="Length of the shorter edge, in pixels; or height and width, such as 300x300.",
)
@click.option("--crop", metavar="N", type=int, help="Edge of the centre crop, in pixels.")
@click.option(
    "--interpolation",
    metavar="bilinear|bicubic",
    help="How photos are resized (default: bilinear).",
)
@click.option("--mean", metavar="R,G,B", help="Mean of each channel, of values in 0 to 1 (default: 0,0,0).")
@click.option("--std", metavar="R,G,B", help="Standard deviation of each channel (default: 1,1,1).")
@click.option(
    "--output",
    metavar="NAME",
    help="Which of the module's answers it is: a key, field or index, where logits are not found by themselves.",
)
@click.option(
    "--kind",
    default="classifier",
    show_default=True,
    help="What a prediction is: classifier, multilabel, detector or embedder.",
)
@click.option(
    "--threshold",
    metavar="0..1",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Of a multilabel: the probability from which a label fits (default: 0.5). Of a detector: the score above "
    "which something is there (default: the module's).",
)
@click.option("--unit-length", is_flag=True, help="Of an embedder: vectors are divided by their length.")
@click.option(
    "--round-to",
    type=click.Choice(["f16"]),
    help="Of an embedder of unit length: to what float16 has, in a column of floats.",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    metavar="f32|bf16|int8",
    help="Arithmetic that jobs may choose; repeat for more. f32 is always there, the others are measured.",
)
@TRANSFORM
@click.option(
    "--decode",
    "decodes",
    multiple=True,
    metavar="full|reduced",
    help="How much of a JPEG jobs may have decoded. full is always there, reduced is measured.",
)
@click.option(
    "--golden",
    metavar="DIR",
    help="Photos on which precisions and reduced are measured; half of them calibrate int8.",
)
@click.option(
    "--min-agreement",
    metavar="0..1",
    type=click.FloatRange(0, 1),
    help="Refuse what agrees less with f32 or full (default: 0.95; 0 takes any).",
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
    from .. import registering

    what = registering.from_options(name, given)
    done = registering.register(Registry(), what, pairs(tags, "--tag"))
    version = done.version
    for line in done.warnings:
        say(f"Warning: {line}")
    if not done.created:
        say(f"This very model is registered already, as version {version.number}.")
    say(f"Next: stagewright promote {name} {version.number} Staging")
    answer(
        {
            "uri": version.pinned_uri,
            "name": name,
            "version": version.number,
            "created": done.created,
            "warnings": list(done.warnings),
            "model_digest": version.model_digest,
        },
        [version.pinned_uri],
        as_json,
    )


@click.command()
@click.argument("uri")
@click.option(
    "--to",
    "target",
    metavar="URI",
    required=True,
    help="The other registry, as MLFLOW_TRACKING_URI names one.",
)
@click.option("--name", help="Its name there (default: the same).")
@BECAUSE
@AS_JSON
def copy(uri: str, target: str, name: str | None, because: str, as_json: bool) -> None:
    """Make the version that URI means a version of another registry: files, tags, evidence and signatures."""
    here, there = Registry(), Registry(target, target)
    version = here.resolve(uri)
    copied = here.copy(version, there, name, because)
    done = copied.registration
    for line in (*done.warnings, *copied.left):
        say(f"Warning: {line}")
    if not done.created:
        say(f"This very model is registered there already, as version {done.version.number}.")
    promote = f"stagewright promote {done.version.name} {done.version.number} Staging"
    say(f"Next: MLFLOW_TRACKING_URI={there.address} {promote}")
    answer(documents.copied(version, copied, str(there.address)), [done.version.pinned_uri], as_json)


COMMANDS = (register, copy)
