"""The commands that move a version."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from registry import GateRefused, Gates, Registry, Verdict

from . import documents
from .shared import BECAUSE, NAME, PASSWORD_ENV, PRIVATE_KEY, Expectation, answer, say, signer


@click.command()
@NAME
@click.argument("version", type=int)
@click.argument("stage")
@BECAUSE
@click.option("--expect", type=Expectation(), help="Refuse unless this version holds the stage now.")
@click.option(
    "--gates",
    metavar="FILE",
    help="What each stage asks of a version (default: gates.toml in the current folder, if it is there).",
)
@click.option(
    "--force",
    is_flag=True,
    help="Move it though a gate refuses or Production is left empty; takes --because.",
)
@PRIVATE_KEY
@PASSWORD_ENV
def promote(
    name: str,
    version: int,
    stage: str,
    gates: str | None,
    private_key: str | None,
    password_env: str | None,
    **given: Any,
) -> None:
    """Move VERSION of NAME to STAGE (Staging, Production or Archived), its alias along with it."""
    judge, key = _gates(gates).of(stage), signer(private_key, password_env)
    try:
        moved = Registry().promote(name, version, stage, judge=judge, signer=key, **given)
    except GateRefused as refused:
        _show(refused.verdicts)
        raise
    _show(moved.verdicts)
    answer(None, documents.moved(moved), as_json=False)


def _gates(file: str | None) -> Gates:
    if file is not None:
        return Gates.load(file)
    if Path(Gates.DEFAULT_FILE).exists():
        return Gates.load()
    say(f"No gates are declared: there is no {Gates.DEFAULT_FILE} here, and no --gates FILE was given.")
    return Gates({})


def _show(verdicts: Sequence[Verdict]) -> None:
    if verdicts:
        answer(None, documents.verdicts(verdicts), as_json=False)


@click.command()
@NAME
@click.argument("stage")
@BECAUSE
@PRIVATE_KEY
@PASSWORD_ENV
def rollback(name: str, stage: str, because: str, private_key: str | None, password_env: str | None) -> None:
    """Put the version back that held STAGE before."""
    moved = Registry().rollback(name, stage, because=because, signer=signer(private_key, password_env))
    answer(None, documents.moved(moved), as_json=False)


COMMANDS = (promote, rollback)
