"""PostgreSQL that falls silent: libpq waits for an answer without an end, so psycopg2 waits for it here."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlalchemy

SILENCE_S = 30
"""A statement may work for longer than a request, and a stopped server must not be waited for."""


def bound_waiting(url: sqlalchemy.URL) -> None:
    """From now on no statement of this process waits longer than SILENCE_S for its server.

    As https://www.psycopg.org/docs/advanced.html#green has it; without psycopg2 there is nothing to do. Of several
    servers libpq tries the next one in time only where it waits by itself, so there it is left to.
    """
    try:
        from psycopg2 import extensions  # type: ignore[import-untyped]
    except ImportError:
        return
    # Somebody else's callback, such as gevent's, is left alone.
    before = extensions.get_wait_callback()
    if before in (None, _wait):
        extensions.set_wait_callback(None if _several(url) else _wait)


def _several(url: sqlalchemy.URL) -> bool:
    named = url.query.get("host", ())
    return (not isinstance(named, str) and len(named) > 1) or "," in f"{url.host}{named}"


def _wait(connection: Any) -> None:
    """Until what was asked is answered. Raises psycopg2.OperationalError, after which the connection is closed."""
    from psycopg2 import OperationalError, extensions

    connecting = connection.status == extensions.STATUS_SETUP
    limit = _to_connect(connection) if connecting else SILENCE_S
    end = time.monotonic() + limit
    events = {extensions.POLL_READ: select.POLLIN, extensions.POLL_WRITE: select.POLLOUT}
    while (state := connection.poll()) != extensions.POLL_OK:
        left = max(0.0, end - time.monotonic()) if connecting else limit
        poller = select.poll()  # select takes no descriptor from 1024 on
        poller.register(connection, events[state])
        if not poller.poll(left * 1000):
            raise OperationalError(f"timeout expired: the server was silent for {limit} s")


def _to_connect(connection: Any) -> int:
    """Seconds. libpq leaves connect_timeout to whoever waits in its place; 0 and less are its word for no end."""
    seconds = int(connection.info.dsn_parameters.get("connect_timeout") or 0)
    return seconds if seconds > 0 else SILENCE_S
