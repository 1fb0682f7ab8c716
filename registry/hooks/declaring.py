"""`[[hooks]]` of `gates.toml`: who is told of which events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from registry.hooks.command import Command
from registry.hooks.hook import Hook, Target
from registry.hooks.web import Web
from registry.ledger.history import EventKind
from registry.toml_tables import Table

HOOKS = "hooks"
# A part of a tag's key.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
# What nobody asked for is told by nobody: a registration moves nothing.
USUAL = frozenset(EventKind) - {EventKind.REGISTERED, EventKind.SEEN}


def read(whole: Table) -> tuple[Hook, ...]:
    """Every hook of the file. Raises UserError, which names file, table and key."""
    found = dict[str, Hook]()
    for table in whole.tables(HOOKS):
        hook = _hook(table)
        if hook.name in found:
            raise table.wrong("name", f"{hook.name!r} is that of another hook")
        found[hook.name] = hook
    return tuple(found.values())


def _hook(table: Table) -> Hook:
    name = table.needed_text("name")
    if not _NAME.fullmatch(name):
        raise table.wrong("name", f"{name!r} is not of letters, digits, '-' and '_', at most 40")
    hook = Hook(name, frozenset(_kinds(table)) or USUAL, frozenset(table.words("stages")), _target(table))
    table.finish()
    return hook


def _kinds(table: Table) -> Iterator[EventKind]:
    for word in table.words("on"):
        if word not in tuple(EventKind):
            raise table.wrong("on", f"has {word!r}; there are {', '.join(EventKind)}")
        yield EventKind(word)


def _target(table: Table) -> Target:
    url, words, secret = table.text("url"), table.words("command"), table.text("secret_env")
    if (url is None) == (not words):
        raise table.wrong("url", "or 'command', a list of texts, has to be there, and only one of them")
    if url is None:
        if secret is not None:
            raise table.wrong("secret_env", "signs what goes to an address; a command needs none")
        return Command(words, Path(table.file).resolve().parent)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise table.wrong("url", "is no http:// or https:// address")
    return Web(url, secret)
