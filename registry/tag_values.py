"""Values of tags, read as what they are: text by whoever may write to the registry.

What is not as we write it raises Malformed, and nothing else, whatever it is made of. Who only looks skips such a
tag with one line that names it.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, NoReturn

# Deeper and longer than anything we write, and far from what Python's own readers break at.
MAX_DEPTH = 32
MAX_WHOLE = 2**63 - 1
# Between them every time has an earlier and a later one, in every time zone.
FIRST_YEAR, LAST_YEAR = 1970, 9000
_SHOWN_CHARS = 60
_LOG = logging.getLogger(__name__)
# The lines that were said already, where somebody asked to hear each of them once.
_SAID: ContextVar[set[str] | None] = ContextVar("stagewright_said", default=None)


class Malformed(ValueError):
    """A tag's value that is not as we write it; the message says how, in a few words."""


def document(text: str) -> dict[str, Any]:
    """A JSON object of texts, finite numbers, lists and objects, not deeper than MAX_DEPTH. Raises Malformed."""
    try:
        said = json.loads(text, parse_constant=_no_number)
        checked(said)
        text.encode()
    except Malformed:
        raise
    except (ValueError, RecursionError) as fault:
        raise Malformed(f"it is no JSON: {_one_line(fault)}") from None
    if not isinstance(said, dict):
        raise Malformed(f"it is no JSON object: {shown(said)}")
    return said


def checked(said: Any, depth: int = 0) -> None:
    """Raises Malformed on what JSON's readers let pass and nobody can use: endless depth, half characters."""
    match said:
        case str():
            _check_text(said)
        case float() if not math.isfinite(said):
            raise Malformed("it has a number without an end")
        case dict() | list() if depth >= MAX_DEPTH:
            raise Malformed(f"it is nested more than {MAX_DEPTH} deep")
        case dict():
            for key, value in said.items():
                _check_text(key)
                checked(value, depth + 1)
        case list():
            for value in said:
                checked(value, depth + 1)


def text_of(said: Mapping[str, Any], key: str) -> str:
    """Raises Malformed where the key is missing or no text."""
    found = _of(said, key)
    if not isinstance(found, str):
        raise Malformed(f"{key!r} is no text: {shown(found)}")
    return found


def whole_of(said: Mapping[str, Any], key: str) -> int:
    """A whole number from 0 to MAX_WHOLE. Raises Malformed."""
    found = _of(said, key)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= MAX_WHOLE:
        raise Malformed(f"{key!r} is no whole number: {shown(found)}")
    return found


def whole_or_none_of(said: Mapping[str, Any], key: str) -> int | None:
    """As `whole_of`, or null. Raises Malformed."""
    return None if _of(said, key) is None else whole_of(said, key)


def flag_of(said: Mapping[str, Any], key: str) -> bool:
    """Raises Malformed where the key is missing or neither true nor false."""
    found = _of(said, key)
    if not isinstance(found, bool):
        raise Malformed(f"{key!r} is neither true nor false: {shown(found)}")
    return found


def moment_of(said: Mapping[str, Any], key: str) -> datetime:
    """As `moment`, of a key."""
    return moment(text_of(said, key))


def moment(text: str) -> datetime:
    """A time in ISO 8601 with its zone, from FIRST_YEAR to LAST_YEAR. Raises Malformed."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed(f"it is no time: {shown(text)}") from None
    if found.utcoffset() is None:
        raise Malformed(f"it is a time without a zone: {shown(text)}")
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise Malformed(f"it is no time that can be counted from: {shown(text)}")
    return found


def number(text: str) -> float:
    """A figure: a finite number, or `nan` for one that is not known. Raises Malformed."""
    try:
        found = float(text)
    except ValueError:
        raise Malformed(f"it is no number: {shown(text)}") from None
    if math.isinf(found):
        raise Malformed(f"it is a number without an end: {shown(text)}")
    return found


def shown(said: object) -> str:
    """As much of a value as a message takes, on one line that a terminal can show."""
    try:
        whole = ascii(said)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a list of thousands of lists
        return f"a {type(said).__name__}"
    return whole if len(whole) <= _SHOWN_CHARS else f"{whole[:_SHOWN_CHARS]}…"


def skipped(key: str, why: Malformed, whose: str = "") -> None:
    """Say in one line that a tag is passed over."""
    of = f" of {whose}" if whose else ""
    warn(f"The tag {key!a}{of} is passed over: {why}.")


def warn(line: str) -> None:
    """Log a line; within `once`, not a second time."""
    said = _SAID.get()
    if said is not None:
        if line in said:
            return
        said.add(line)
    _LOG.warning("%s", line)


@contextmanager
def once() -> Iterator[None]:
    """Within it each line of `warn` is said once; a command reads the same tags many times."""
    if _SAID.get() is not None:
        yield
        return
    token = _SAID.set(set())
    try:
        yield
    finally:
        _SAID.reset(token)


def _of(said: Mapping[str, Any], key: str) -> Any:
    if key not in said:
        raise Malformed(f"it says nothing about {key!r}")
    return said[key]


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Malformed("it has half a character") from None


def _no_number(constant: str) -> NoReturn:
    raise Malformed(f"it has a number that is none: {constant}")


def _one_line(fault: BaseException) -> str:
    return "it is nested too deep" if isinstance(fault, RecursionError) else str(fault).split("\n")[0]
