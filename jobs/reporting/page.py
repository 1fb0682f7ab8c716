"""Pages: what a job found, as one HTML document that needs nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from .text import breakable, shown

Facts = Sequence[tuple[str, str]]


def page(template: str, said: Mapping[str, Any]) -> str:
    """A template filled in; every text of it is escaped, whoever wrote it."""
    made = {"made_by": version("stagewright"), "made_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"}
    return _environment().get_template(template).render({**said, **made})


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__ or "", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        shown=shown,
        number=_number,
        percent=percent,
        score=_score,
        seconds=seconds,
        name=_name,
        breakable=breakable,
    )
    return environment


def _number(value: float) -> str:
    return f"{value:,.0f}"


def percent(share: float) -> str:
    """0.1234 as `12.3 %`; what is little and not nothing does not look like nothing."""
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def seconds(value: float | None) -> str:
    """As `0.4 s`, `12 s` or `3 min 20 s`; `not known` for None."""
    if value is None:
        return "not known"
    if value < 60:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _name(key: str) -> str:
    """The last part of a path."""
    return key.rstrip("/").rpartition("/")[2] or key


def facts(pairs: Iterable[tuple[str, object]]) -> Facts:
    """Those that there is something to say of."""
    return [(name, str(value)) for name, value in pairs if value not in (None, "", (), [])]
