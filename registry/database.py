"""PostgreSQL that falls silent: libpq waits for an answer without an end, so psycopg2 waits for it here."""

from __future__ import annotations

import select
from typing import Any

SILENCE_S = 30
"""A statement may work for longer than a request, and a stopped server must not be waited for."""


def bound_waiting() -> None:
    """From now on no statement of this process waits longer than SILENCE_S for its server.

    As https://www.psycopg.org/docs/advanced.html#green has it; without psycopg2 there is nothing to do.
    """
    try:
        from psycopg2 import extensions  # type: ignore[import-untyped]
    except ImportError:
        return
    if extensions.get_wait_callback() is None:
        extensions.set_wait_callback(_wait)


def _wait(connection: Any) -> None:
    """Until what was asked is answered. Raises psycopg2.OperationalError, after which the connection is closed."""
    from psycopg2 import OperationalError, extensions

    while (state := connection.poll()) != extensions.POLL_OK:
        reads = [connection] if state == extensions.POLL_READ else []
        writes = [connection] if state == extensions.POLL_WRITE else []
        if not any(select.select(reads, writes, [], SILENCE_S)):
            raise OperationalError(f"timeout expired: the server was silent for {SILENCE_S} s")
