"""A photo on the web, by urllib3: tried again, and nothing is waited for without an end.

A redirect is a row's address once more, and is judged as one.
"""

import ipaddress
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urljoin

from pyspark import cloudpickle

from .budget import Allowance
from .fault import FORBIDDEN, MISSING, UNREACHABLE, NoPhoto
from .places import WEB, Place, Roots, place

_TRIES = 5
_BACK_OFF_S = 0.25
_CONNECT_S, _READ_S = 5.0, 15.0
_REDIRECTS = 5
_PIECE = 1 << 18
_MOVED = (301, 302, 303, 307, 308)
_GONE = (404, 410)
_CLOSED = (401, 402, 403, 407, 451)
_BUSY = (408, 425, 429, 500, 502, 503, 504)
# By which IPv6 networks reach IPv4 ones, private ones too.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


class _Again(Exception):
    """Something that may go by; `after_s`: not before."""

    def __init__(self, error: str, after_s: float = 0.0) -> None:
        super().__init__(error)
        self.after_s = after_s


class _NotPublic(Exception):
    """The host's address is one of a network that is not everybody's."""


class Web:
    """Connections to the hosts that rows name, `at_once` to each. For threads."""

    def __init__(self, roots: Roots, at_once: int) -> None:
        self._roots = roots
        self._any, self._public = (_manager(at_once, public) for public in (False, True))

    def load(self, at: Place, allowance: Allowance) -> bytes:
        """The bytes of the answer's body. Raises NoPhoto."""
        for number in range(1, _TRIES + 1):
            try:
                return self._redirected(at, allowance)
            except _Again as again:
                allowance.keep(0)
                pause = max(again.after_s, _BACK_OFF_S * 2**number * random.uniform(0.5, 1))
                if number == _TRIES or pause > allowance.left_s:
                    raise NoPhoto(UNREACHABLE, f"{at.host} {again}, tried {number} times") from None
            time.sleep(pause)
        raise AssertionError

    def _redirected(self, at: Place, allowance: Allowance) -> bytes:
        for _ in range(_REDIRECTS + 1):
            answer = self._answer(at, allowance)
            try:
                if answer.status not in _MOVED:
                    return _body(answer, at, allowance)
                at = self._target(at, answer.headers.get("Location", ""))
            finally:
                _leave(answer)
        raise NoPhoto(UNREACHABLE, f"{at.host} redirects more than {_REDIRECTS} times")

    def _target(self, at: Place, location: str) -> Place:
        """Where a redirect leads, judged as a row's own address is."""
        target = place(urljoin(at.url, location))
        if target.scheme not in WEB or (at.scheme, target.scheme) == ("https", "http"):
            raise NoPhoto(FORBIDDEN, f"{at.host} redirects to {target.scheme}:, which is not followed")
        try:
            return self._roots.allowed(target)
        except NoPhoto as fault:
            raise NoPhoto(FORBIDDEN, f"{at.host} redirects elsewhere, and {fault}") from None

    def _answer(self, at: Place, allowance: Allowance) -> Any:
        from urllib3 import Timeout, exceptions

        allowance.check()
        waits = Timeout(connect=min(_CONNECT_S, allowance.left_s), read=min(_READ_S, allowance.left_s))
        try:
            return (self._public if at.public else self._any).request(
                "GET", at.url, redirect=False, retries=False, preload_content=False, timeout=waits
            )
        except _NotPublic:
            raise NoPhoto(
                FORBIDDEN,
                f"{at.host} is in a network that is not public; name it with --path-root to have it read",
            ) from None
        except exceptions.SSLError:
            raise NoPhoto(UNREACHABLE, f"{at.host} has no certificate that this worker accepts") from None
        except (exceptions.HTTPError, OSError, ValueError) as error:
            raise _Again(f"did not answer ({type(error).__name__})") from None


def _body(answer: Any, at: Place, allowance: Allowance) -> bytes:
    if answer.status in _GONE:
        raise NoPhoto(MISSING, f"{at.host} has no such photo (HTTP {answer.status})")
    if answer.status in _CLOSED:
        raise NoPhoto(FORBIDDEN, f"{at.host} does not give it to this worker (HTTP {answer.status})")
    if answer.status in _BUSY:
        raise _Again(f"answered HTTP {answer.status}", _seconds(answer.headers.get("Retry-After")))
    if answer.status != 200:
        raise NoPhoto(UNREACHABLE, f"{at.host} answered HTTP {answer.status}")
    return _read(answer, allowance)


def _read(answer: Any, allowance: Allowance) -> bytes:
    from urllib3 import exceptions

    known = answer.length_remaining
    if known:
        allowance.take(known)
    pieces = []
    try:
        # One piece is what the network gives: a server that sends a byte a second is seen through.
        while piece := answer.read1(_PIECE, decode_content=False):
            allowance.check()
            if not known:
                allowance.take(len(piece))
            pieces.append(piece)
    except exceptions.ReadTimeoutError:
        raise _Again("stopped in the middle of its answer") from None
    except (exceptions.HTTPError, OSError) as error:
        raise _Again(f"cut its answer off ({type(error).__name__})") from None
    body = b"".join(pieces)
    if known and len(body) != known:
        raise _Again(f"sent {len(body)} bytes of {known}")
    if not body and "Content-Length" not in answer.headers and not answer.chunked:
        raise _Again("ended its answer too early")
    return body


def _leave(answer: Any) -> None:
    """A connection whose answer was read to its end goes back, and any other one is closed."""
    if answer.length_remaining == 0:
        answer.drain_conn()
    else:
        answer.close()


def _seconds(text: str | None) -> float:
    """What `Retry-After` asks for, where it does so in seconds."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _manager(at_once: int, public: bool) -> Any:
    """A manager of connections whose headers come in time; `public`: only to addresses that everybody can reach."""
    import urllib3
    from urllib3 import connection, connectionpool

    def checked(plain: Any) -> Any:
        class Checked(plain):  # type: ignore[misc]
            def _new_conn(self) -> socket.socket:
                opened: socket.socket = super()._new_conn()
                if public and not _is_public(opened.getpeername()[0]):
                    opened.close()
                    raise _NotPublic
                return opened

            def getresponse(self) -> Any:
                with _ended_after(_READ_S, self.sock):
                    return super().getresponse()

        return Checked

    class Plain(connectionpool.HTTPConnectionPool):
        ConnectionCls = checked(connection.HTTPConnection)

    class Secure(connectionpool.HTTPSConnectionPool):
        ConnectionCls = checked(connection.HTTPSConnection)

    manager = urllib3.PoolManager(
        num_pools=64, maxsize=at_once, headers={"User-Agent": "stagewright", "Accept-Encoding": "identity"}
    )
    manager.pool_classes_by_scheme = {"http": Plain, "https": Secure}
    return manager


@contextmanager
def _ended_after(seconds: float, opened: socket.socket) -> Iterator[None]:
    """A header that drips goes around each timeout of a socket. Raises TimeoutError."""
    over = threading.Event()

    def shut() -> None:
        over.set()
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if over.is_set():  # what came is half a header, which reads as a whole one
        raise TimeoutError


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if inner is not None:
            found = inner
        elif found in _NAT64:
            return False
    return found.is_global and not found.is_multicast
