"""A photo in an object store, by obstore: signed, tried again, and its limits of time are obstore's.

Credentials, region and endpoint come from the worker's environment or the machine's role, as obstore has them.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from pyspark import cloudpickle

from .budget import Allowance
from .fault import FORBIDDEN, MISSING, UNREACHABLE, UNSUPPORTED, NoPhoto
from .places import Place

_TRIES = 4
# Rows may name any number of buckets, and each is a client with connections of its own.
_OPEN = 64
# obstore's own names, of which Google's stores have none.
_PLAIN = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP")

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


def may_be_plain() -> bool:
    """Whether stores may be asked without TLS, as the environment says it for any of them."""
    return any(os.environ.get(name, "").lower() in ("true", "1") for name in _PLAIN)


class Stores:
    """The buckets that rows name, each opened once. For threads."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._opened: dict[str, Any] = {}
        self._opening = threading.Lock()

    def load(self, place: Place, allowance: Allowance) -> bytes:
        """An object's bytes. Raises NoPhoto; RuntimeError where the worker has no obstore."""
        try:
            import obstore
            from obstore import exceptions
        except ImportError:
            raise RuntimeError(
                "Photos in object stores take obstore: pip install 'stagewright[object-stores]' on all executors, "
                "and on the driver."
            ) from None
        if place.path.endswith("/"):
            raise NoPhoto(UNSUPPORTED, "the address names no object")
        try:
            found = obstore.get(self._store(place), place.path[1:])
            allowance.take(int(found.meta["size"]))
            return bytes(found.bytes())
        except FileNotFoundError:
            raise NoPhoto(MISSING, "the store has no such object") from None
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError):
            raise NoPhoto(FORBIDDEN, "the store does not let this worker read the object") from None
        except (exceptions.InvalidPathError, exceptions.NotSupportedError, ValueError):
            raise NoPhoto(UNSUPPORTED, "the store takes no such name") from None
        except exceptions.BaseError as error:
            # Its text has addresses in it.
            raise NoPhoto(UNREACHABLE, f"the store gave no whole answer ({type(error).__name__})") from None

    def objects(self, place: Place) -> Iterator[tuple[str, datetime, int]]:
        """Key, time and bytes of each object below a place, or of the one that it names. Raises what obstore does."""
        import obstore

        key = place.path.strip("/")
        is_folder = False
        for batch in obstore.list(self._store(place), prefix=key or None):
            for found in batch:
                is_folder = True
                yield found["path"], found["last_modified"], int(found["size"])
        if key and not is_folder:
            with suppress(FileNotFoundError):
                found = obstore.head(self._store(place), key)
                yield key, found["last_modified"], int(found["size"])

    def _store(self, place: Place) -> Any:
        root = f"{place.scheme}://{place.host}"
        with self._opening:
            if root not in self._opened:
                if len(self._opened) >= _OPEN:
                    self._opened.clear()
                self._opened[root] = self._open(root)
            return self._opened[root]

    def _open(self, root: str) -> Any:
        from obstore.store import from_url

        total = timedelta(seconds=self._timeout_s)
        return from_url(
            root,
            # Which take the place of what the environment says of the client, but not of anything else.
            client_options={"timeout": total / 2, "connect_timeout": "5s", "allow_http": may_be_plain()},
            retry_config={"max_retries": _TRIES, "retry_timeout": total},
        )
