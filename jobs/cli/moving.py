"""The commands that move a version."""

from typing import Literal

import click

from registry import Registry

from .. import tables
from .shared import BECAUSE, NAME, Expectation, answer


@click.command()
@NAME
@click.argument("version", type=int)
@click.argument("stage")
@BECAUSE
@click.option("--expect", type=Expectation(), help="Refuse unless this version holds the stage now.")
def promote(name: str, version: int, stage: str, because: str, expect: int | Literal["none"] | None) -> None:
    """Move VERSION of NAME to STAGE (Staging, Production or Archived), its alias along with it."""
    moved = Registry().promote(name, version, stage, because=because, expect=expect)
    answer(None, tables.moved(moved), as_json=False)


@click.command()
@NAME
@click.argument("stage")
@BECAUSE
def rollback(name: str, stage: str, because: str) -> None:
    """Put the version back that held STAGE before."""
    moved = Registry().rollback(name, stage, because=because)
    answer(None, tables.moved(moved), as_json=False)
