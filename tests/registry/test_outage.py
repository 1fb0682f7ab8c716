"""A registry that goes away or falls silent in the middle of a promotion."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import registry.connection
from jobs.scoring.recording import complete, recorded
from registry import Outcome, Registry, RegistryUnreachable, RunStatus
from registry.client import Client
from registry.connection import Address
from registry.ledger.claims import claims_in
from registry.versions import Stage

from .conftest import PackageMaker, make_three

TIMEOUT_S = 1


class Line(ThreadingHTTPServer):
    """A line to a server that breaks at its n-th request: before the request arrives, or before its answer does.

    A broken line hangs up, or where it is `slow` says nothing, until `mend`.
    """

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.target = target
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.requests = 0
        self.commands: list[str] = []
        self.breaks_at = 0
        self.delivers = False
        self.slow = False

    def mend(self, breaks_at: int = 0, delivers: bool = False, slow: bool = False) -> None:
        self.requests = 0
        self.commands.clear()
        self.breaks_at, self.delivers, self.slow = breaks_at, delivers, slow

    @property
    def broken(self) -> bool:
        return 0 < self.breaks_at <= self.requests


class _Request(BaseHTTPRequestHandler):
    server: Line
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests += 1
        self.server.commands.append(self.command)
        if self.server.requests == self.server.breaks_at and self.server.delivers:
            self._ask(body)
        if self.server.broken:
            if self.server.slow:
                time.sleep(3 * TIMEOUT_S)
            self.close_connection = True
            return
        status, answer = self._ask(body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(answer)

    def _ask(self, body: bytes) -> tuple[int, bytes]:
        headers = {key: self.headers[key] for key in ("Content-Type",) if key in self.headers}
        request = urllib.request.Request(
            self.server.target + self.path, body or None, headers, method=self.command
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as fault:
            return fault.code, fault.read()

    do_GET = do_POST = do_PATCH = do_DELETE = _pass_on

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def line(server_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    hasty = {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(TIMEOUT_S), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    for limits in ("_SETTINGS", "_TRANSFER_SETTINGS"):
        monkeypatch.setattr(registry.connection, limits, {**getattr(registry.connection, limits), **hasty})
    with Line(server_uri) as line:
        threading.Thread(target=line.serve_forever, daemon=True).start()
        yield line
        line.shutdown()


@pytest.mark.parametrize("delivers", [False, True], ids=["request lost", "answer lost"])
def test_a_line_that_breaks_at_any_request_of_a_promotion_leaves_nothing_half_done(
    line: Line, server_uri: str, name: str, delivers: bool
) -> None:
    make_three(server_uri, name)
    for number in (1, 2):
        Registry(server_uri).promote(name, number, "Production")
    line.mend()
    Registry(line.url).promote(name, 1, "Production")
    stands, moved = 1, []
    for request in _that_differ(line.commands, delivers):
        line.mend(breaks_at=request, delivers=delivers)
        with suppress(RegistryUnreachable):
            Registry(line.url).promote(name, 3 - stands, "Production")
        assert line.broken
        found = _whole(server_uri, name)
        assert found in (1, 2)
        moved.append(found != stands)
        stands = found
    # Early it was never heard of, late it is in force; in between it is one of the two.
    assert not moved[0]
    assert moved[-1]
    assert moved == sorted(moved)


def _that_differ(commands: list[str], delivers: bool) -> list[int]:
    """The requests, counted from 1, of which each leaves another state of the server when the line breaks there.

    A question changes nothing, whether its answer is lost or it is itself, and as little as the one before it.
    """
    writes = [command != "GET" for command in commands]
    after_one = [True, *writes]
    return [n for n, writing in enumerate(writes, 1) if writing or (after_one[n - 1] and not delivers)]


def test_a_server_that_falls_silent_ends_a_promotion_in_the_stated_time_with_the_next_step(
    line: Line, server_uri: str, name: str
) -> None:
    make_three(server_uri, name)
    line.mend(breaks_at=8, slow=True)
    start = time.monotonic()
    with pytest.raises(RegistryUnreachable, match=f"`stagewright history {name}` tells"):
        Registry(line.url).promote(name, 2, "Production")
    # One question in silence, and the attempt to take the claim back.
    assert time.monotonic() - start < 2 * TIMEOUT_S + 20
    assert _whole(server_uri, name) in (0, 2)


@pytest.mark.parametrize("slow", [False, True], ids=["it hangs up", "it falls silent"])
def test_a_server_that_goes_away_during_a_download_is_told_of_once_and_in_the_stated_time(
    line: Line, server_uri: str, name: str, package: PackageMaker, tmp_path: Path, slow: bool
) -> None:
    version = Registry(server_uri).register(package(), name).version
    reader = Registry(line.url)
    reader.resolve(f"models:/{name}/1")
    line.mend()
    reader.fetch(version, tmp_path / "whole")
    requests = line.requests
    assert requests > len(list((tmp_path / "whole").rglob("*.json")))
    for breaks_at in (1, requests // 2):
        line.mend(breaks_at=breaks_at, slow=slow)
        start = time.monotonic()
        with pytest.raises(RegistryUnreachable, match=rf"{line.url} in \d+ s: .*MLFLOW_TRACKING_URI"):
            reader.fetch(version, tmp_path / f"{breaks_at}")
        # Not once for each of the files that are left.
        assert time.monotonic() - start < 3 * TIMEOUT_S + 5
        assert list((tmp_path / f"{breaks_at}").iterdir()) == []


def test_a_job_that_ends_while_the_registry_is_away_has_ended_and_the_next_one_completes_its_record(
    line: Line, server_uri: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    [version, *_] = make_three(server_uri, name)
    kept = _Kept()
    line.mend()
    with recorded(Registry(line.url), version, "score", {}, name, kept) as run:
        run.outcome = Outcome(metrics={"rows": 7})
        line.mend(breaks_at=1)
    assert "is kept, and the next command completes the record" in caplog.text
    assert Registry(server_uri).run(run.run_id).status is RunStatus.RUNNING
    with pytest.raises(RegistryUnreachable):
        list(complete(Registry(line.url), kept.said.items()))
    assert list(complete(Registry(server_uri), [("0123", Outcome()), *kept.said.items()])) == [
        "0123",
        run.run_id,
    ]
    found = Registry(server_uri).run(run.run_id)
    assert (found.status, found.metrics) == (RunStatus.FINISHED, {"rows": 7})
    assert found.ended_at is not None
    assert abs((found.ended_at - kept.said[run.run_id].ended_at).total_seconds()) < 0.01


def test_a_job_that_the_registrys_absence_ends_waits_for_it_once(
    line: Line, server_uri: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    [version, *_] = make_three(server_uri, name)
    kept = _Kept()
    line.mend()
    with suppress(RegistryUnreachable), recorded(Registry(line.url), version, "score", {}, name, kept):
        line.mend(breaks_at=1)
        Registry(line.url).versions(name)
        pytest.fail("the registry answered")
    assert line.requests == 1
    assert [outcome.status for outcome in kept.said.values()] == [RunStatus.FAILED]


class _Kept:
    def __init__(self) -> None:
        self.said: dict[str, Outcome] = {}

    def keep(self, run_id: str, outcome: Outcome) -> None:
        self.said[run_id] = outcome


def _whole(uri: str, name: str) -> int:
    """Which version is in Production after the next move, by stage, alias and ledger; 0 for none."""
    Registry(uri).promote(name, 3, "Staging")
    client = Client(Address.find(uri))
    standing = [found.number for found in client.versions(name) if found.stage is Stage.PRODUCTION]
    model = client.model(name)
    assert standing == [model.aliases[key] for key in ("production",) if key in model.aliases]
    held = Registry(uri).standing(name).holder(Stage.PRODUCTION)
    assert standing == [held] if held else standing == []
    # A voice that is still alive may be in a question that nobody has answered; it stops nobody.
    assert all(claim.accepted == 0 for claim in claims_in(model.tags))
    return held or 0
