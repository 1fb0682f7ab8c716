"""A PostgreSQL that falls silent, before and after it was connected to."""

import os
import signal
import socket
import time

import pytest

from jobs.cli import main
from registry import database
from tests import leash
from tests.clusters import PostgresServer


def test_a_database_that_is_stopped_is_waited_for_no_longer_than_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(database, "SILENCE_S", 2)
    with PostgresServer() as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.new_database())
        assert main(["status"]) == 0
        assert server._process is not None
        processes = leash.session_members(server._process.session_id)
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        try:
            assert main(["status"]) == 1
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)
        assert time.monotonic() - started < 60
        said = capsys.readouterr().err
        assert "No answer from the registry" in said
        assert "Traceback" not in said
        assert main(["status"]) == 0


def test_of_two_servers_the_second_is_used_where_the_first_never_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("registry.connection.REQUEST_TIMEOUT_S", 2)
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "2")
    with PostgresServer() as server, socket.create_server(("127.0.0.1", 0)) as silent:
        database = server.new_database().rpartition("/")[2]
        hosts = f"host=127.0.0.1:{silent.getsockname()[1]}&host=127.0.0.1:{server.port}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql+psycopg2://stagewright@/{database}?{hosts}")
        assert main(["status"]) == 0
