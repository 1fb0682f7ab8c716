"""What several commands share: options, and the two ways of saying something."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from registry import Gates, Signer, UserError

NAME = click.argument("name")
AS_JSON = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else there."
)
BECAUSE = click.option("--because", metavar="TEXT", default="", help="Why; kept in the model's history.")

PRIVATE_KEY = click.option(
    "--private-key",
    metavar="FILE",
    help="Sign what is written with this key, in PEM (default: STAGEWRIGHT_PRIVATE_KEY, if it is set).",
)
PASSWORD_ENV = click.option(
    "--password-env", metavar="NAME", help="The environment variable with the key's password."
)

GATES = click.option(
    "--gates",
    metavar="FILE",
    help="Which stages there are besides MLflow's, and what each asks of a version (default: gates.toml in the "
    "current folder, if it is there).",
)
HOOKS = click.option(
    "--gates",
    metavar="FILE",
    help="Whose hooks are told (default: gates.toml in the current folder, if it is there).",
)


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


class Size(click.ParamType[int | tuple[int, int]]):
    """A length in pixels, or height and width."""

    name = "N|HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | tuple[int, int]:
        """Raises BadParameter on anything else."""
        height, cross, width = str(value).partition("x")
        if not height.isdecimal() or (cross and not width.isdecimal()):
            self.fail(f"{value!r} is neither a length in pixels nor HEIGHTxWIDTH.", param, ctx)
        return (int(height), int(width)) if cross else int(height)


class Moment(click.ParamType[datetime]):
    """A time in ISO 8601; UTC where it does not say."""

    name = "TIMESTAMP"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Raises BadParameter on anything else."""
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(
                f"{value!r} is no time; write it as 2026-11-24T09:30 or 2026-11-24T09:30+01:00.", param, ctx
            )
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def password(variable: str | None) -> str | None:
    """What an environment variable has. Raises UserError where there is none of that name."""
    if variable is None:
        return None
    if variable not in os.environ:
        raise UserError(f"There is no environment variable {variable!r}.", "Set it to the key's password.")
    return os.environ[variable]


def signer(private_key: str | None, password_env: str | None) -> Signer | None:
    """The key of --private-key, else the configured one, if there is one. Raises UserError."""
    if private_key is None:
        if password_env is not None:
            raise click.UsageError("--password-env is of use only with --private-key FILE.")
        return Signer.configured()
    return Signer.read(private_key, password(password_env))


def declared_gates(file: str | None) -> Gates:
    """What --gates names, else gates.toml in the current folder; without either no gates. Raises UserError."""
    if file is not None:
        return Gates.load(file)
    if Path(Gates.DEFAULT_FILE).exists():
        return Gates.load()
    say(f"No gates are declared: there is no {Gates.DEFAULT_FILE} here, and no --gates FILE was given.")
    return Gates({})


def say(line: str) -> None:
    """To a person, on stderr."""
    click.echo(line, err=True)


def answer(document: Any, lines: Sequence[str], as_json: bool) -> None:
    """The command's result, on stdout."""
    click.echo(json.dumps(document, indent=2, default=str) if as_json else "\n".join(lines))


def pairs(items: Sequence[str], option: str) -> dict[str, str]:
    pairs = {}
    for item in items:
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise click.UsageError(f"{option} {item!r} is not KEY=VALUE.")
        pairs[key] = value
    return pairs
