"""MLflow's search language, and its pages of answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def quoted(text: str) -> str:
    """A string of MLflow's search language, which knows two quotes and no escapes."""
    return f'"{text}"' if "'" in text else f"'{text}'"


def pages(fetch: Any) -> Iterator[Any]:
    """The items of every page that `fetch(token)` gives."""
    token: str | None = None
    while True:
        page = fetch(token)
        yield from page
        token = page.token
        if not token:
            return
