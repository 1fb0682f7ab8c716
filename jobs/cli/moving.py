"""The commands that move a version."""

from collections.abc import Sequence
from typing import Any

import click

from registry import GateRefused, Registry, Verdict

from . import documents, telling
from .shared import (
    BECAUSE,
    GATES,
    HOOKS,
    NAME,
    PASSWORD_ENV,
    PRIVATE_KEY,
    Expectation,
    answer,
    declared_gates,
    signer,
)


@click.command()
@NAME
@click.argument("version", type=int)
@click.argument("stage")
@BECAUSE
@click.option("--expect", type=Expectation(), help="Refuse unless this version holds the stage now.")
@GATES
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
    """Move VERSION of NAME to STAGE, its alias along with it: Staging, Production, Archived, or a declared one."""
    declared, key, registry = declared_gates(gates), signer(private_key, password_env), Registry()
    judge = declared.of(stage)
    try:
        with telling.of_moves(registry, name, declared.hooks):
            moved = registry.promote(name, version, judge.stage, judge=judge, signer=key, **given)
    except GateRefused as refused:
        _show(refused.verdicts)
        raise
    _show(moved.verdicts)
    answer(None, documents.moved(moved), as_json=False)


def _show(verdicts: Sequence[Verdict]) -> None:
    if verdicts:
        answer(None, documents.verdicts(verdicts), as_json=False)


@click.command()
@NAME
@click.argument("stage")
@BECAUSE
@HOOKS
@PRIVATE_KEY
@PASSWORD_ENV
def rollback(
    name: str, stage: str, because: str, gates: str | None, private_key: str | None, password_env: str | None
) -> None:
    """Put the version back that held STAGE before: Staging, Production, or a declared one."""
    hooks, key, registry = telling.declared(gates), signer(private_key, password_env), Registry()
    with telling.of_moves(registry, name, hooks):
        moved = registry.rollback(name, stage, because=because, signer=key)
    answer(None, documents.moved(moved), as_json=False)


COMMANDS = (promote, rollback)
