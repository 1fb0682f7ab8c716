"""A real S3 server on loopback, with the time that a network takes put before each of its answers.

    python -m benchmarks.s3_server LATENCY_S

prints its address and serves until it is ended.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

Start = Callable[..., Any]
# Answers in the server's place, or None.
Harm = Callable[[str], str | None]


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None: ...


def application(latency_s: float = 0.0, harm: Harm = lambda path: None) -> Any:
    """The server; `harm` gives the status line that a path is answered with, in place of what is there."""
    s3 = DomainDispatcherApplication(create_backend_app)

    def serve(environ: dict[str, Any], start: Start) -> Any:
        time.sleep(latency_s)
        status = harm(environ["PATH_INFO"])
        if status is None:
            return s3(environ, start)
        start(status, [("Content-Length", "0")])
        return [b""]

    return serve


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of a server in this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    with serving(application(float(sys.argv[1]))) as address:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        threading.Event().wait()
