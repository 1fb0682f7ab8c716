"""The command that says what a model's registry lets in."""

from typing import Any

import click

from registry import Policy, PublicKey, Registry, Stage

from . import documents
from .shared import AS_JSON, NAME, answer


@click.command()
@NAME
@click.option(
    "--refuse",
    multiple=True,
    type=click.Choice(["pickled", "foreign"]),
    help="Refuse callables that are pickled, or versions that stagewright did not package.",
)
@click.option(
    "--require-signature", is_flag=True, help="Refuse what none of the keys of --public-key has signed."
)
@click.option(
    "--public-key", "public_keys", multiple=True, metavar="FILE", help="A key in PEM; repeat for more."
)
@click.option(
    "--only-stage",
    type=click.Choice(["Staging", "Production"], case_sensitive=False),
    help="Let jobs use what is in this stage only; evaluations may use all.",
)
@click.option(
    "--move-key",
    "move_keys",
    metavar="FILE",
    multiple=True,
    help="Let only moves count that this key has signed, in PEM; repeat for more, of which one must have.",
)
@click.option("--clear", is_flag=True, help="Refuse nothing any more.")
@AS_JSON
def policy(name: str, as_json: bool, clear: bool, **given: Any) -> None:
    """Show what the policy of NAME refuses, or with options set it: they replace all that it refused before."""
    registry = Registry()
    if clear or any(given.values()):
        if clear and any(given.values()):
            raise click.UsageError("--clear refuses nothing; leave out the other options.")
        shown = registry.set_policy(name, _wanted(**given))
    else:
        shown = registry.policy(name)
    answer(documents.policy_document(name, shown), documents.policy(shown), as_json)


def _wanted(
    refuse: tuple[str, ...],
    require_signature: bool,
    public_keys: tuple[str, ...],
    only_stage: str | None,
    move_keys: tuple[str, ...],
) -> Policy:
    if require_signature != bool(public_keys):
        raise click.UsageError("--require-signature and --public-key FILE go together.")
    return Policy(
        declared="",
        refuse_pickled="pickled" in refuse,
        refuse_foreign="foreign" in refuse,
        public_keys=tuple(PublicKey.read(file) for file in public_keys),
        only_stage=Stage.parse(only_stage) if only_stage else None,
        move_keys=tuple(PublicKey.read(file) for file in move_keys),
    )


COMMANDS = (policy,)
