"""What several commands share: options, and the two ways of saying something."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

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
