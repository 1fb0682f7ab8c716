"""A real HTTP server on loopback, with everything that goes wrong on the web."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mlruns_fixture import PLAIN

PHOTO = PLAIN["red-64x48.jpg"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: Counter[str]

    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.asked[self.path] += 1
        kind = path.strip("/").partition("/")[0].partition(".")[0]
        getattr(self, f"_{kind}", self._status)(path)

    def _status(self, path: str) -> None:
        self._answer(int(path.strip("/")), b"<html>no</html>")

    def _photo(self, path: str) -> None:
        self._answer(200, PHOTO)

    def _unsized(self, path: str) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(PHOTO), PHOTO))

    def _busy(self, path: str) -> None:
        if self.asked[self.path] < 3:
            self._answer(503, b"later", {"Retry-After": "0"})
        else:
            self._photo(path)

    def _cut(self, path: str) -> None:
        """The first answers end in the middle."""
        whole = path.startswith("/cut-once") and self.asked[self.path] > 1
        self._head(200, len(PHOTO))
        self.wfile.write(PHOTO if whole else PHOTO[:100])
        self.close_connection = True

    def _slow(self, path: str) -> None:
        self._head(200, 10_000)
        self._drip(b".")

    def _stuck(self, path: str) -> None:
        """A header that has no end."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        self._drip(b".")

    def _endless(self, path: str) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self._drip(bytes(1 << 20), 0)

    def _to(self, path: str) -> None:
        self._answer(302, b"", {"Location": self.path.partition("?")[2]})

    def _drip(self, piece: bytes, pause_s: float = 0.1) -> None:
        try:
            while True:
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(pause_s)
        except OSError:
            self.close_connection = True

    def _head(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, len(body), headers)
        with suppress(ConnectionError):  # of who asks no further
            self.wfile.write(body)


@contextmanager
def web() -> Iterator[tuple[str, Counter[str]]]:
    """The server's address, and how often it was asked for what."""
    asked: Counter[str] = Counter()
    handler = type("Handler", (_Handler,), {"asked": asked, "_cut-once": _Handler._cut})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
