"""A PostgreSQL that is stopped once it was connected to: told of within a stated time, and used again afterwards."""

import os
import signal
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
