"""Spark starts while a command does something else, and a command that is refused leaves nothing of it."""

import gc
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jobs import SparkUnavailable
from jobs.spark import jvm, session, starting
from mlruns_fixture.build import Fixture
from tests.clusters import run_command


class Opened:
    """A session as far as starting goes."""

    def __init__(self, master: str | None, settings: Mapping[str, str]) -> None:
        self.asked = (master, dict(settings))
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Opened]:
    """The sessions that are opened, on JVMs that are none."""
    found: list[Opened] = []

    def open_session(master: str | None, settings: Mapping[str, str], log: Path | None) -> Any:
        if master == "local[0]":
            raise SparkUnavailable("no cores")
        found.append(Opened(master, settings))
        return found[-1]

    monkeypatch.setattr(session, "open_session", open_session)
    monkeypatch.setattr(session, "is_own_local", lambda master, settings: str(master).startswith("local"))
    monkeypatch.setattr(starting, "_warm", lambda spark: None)
    monkeypatch.setattr(jvm, "activate", lambda spark: None)
    return found


def test_the_session_that_was_begun_is_the_one_that_is_used(opened: list[Opened]) -> None:
    with starting.started("local[2]", {"a": "b"}, None) as start:
        assert start.session("local[2]", {"a": "b"}) is opened[0]  # type: ignore[comparison-overlap]
    assert [each.asked for each in opened] == [("local[2]", {"a": "b"})]


def test_where_the_model_asks_for_other_settings_a_session_with_these_takes_its_place(
    opened: list[Opened],
) -> None:
    with starting.started("local[2]", {}, None) as start:
        assert start.session("local[2]", {"spark.task.cpus": "2"}) is opened[1]  # type: ignore[comparison-overlap]
    assert [each.stopped for each in opened] == [True, False]


def test_what_went_wrong_meanwhile_is_told_when_the_session_is_asked_for(opened: list[Opened]) -> None:
    with (
        starting.started("local[0]", {}, None) as start,
        pytest.raises(SparkUnavailable, match="no cores"),
    ):
        start.session("local[0]", {})


def test_a_cluster_hears_of_a_job_when_it_is_known_that_there_will_be_one(opened: list[Opened]) -> None:
    with starting.started("spark://there:7077", {}, None) as start:
        assert opened == []
        start.session("spark://there:7077", {})
    assert len(opened) == 1


def test_a_refused_command_waits_for_no_more_than_it_takes_to_end_what_was_begun(
    monkeypatch: pytest.MonkeyPatch, opened: list[Opened]
) -> None:
    killed = threading.Event()
    monkeypatch.setattr(session, "open_session", lambda *asked: killed.wait(60))
    monkeypatch.setattr(jvm, "kill", lambda thread: killed.set())
    with pytest.raises(ZeroDivisionError), starting.started("local[2]", {}, None):
        raise ZeroDivisionError
    assert killed.is_set()


def test_a_command_that_is_refused_leaves_no_process_and_no_file_and_says_one_line(
    stagewright: str, fixture: Fixture, tmp_path: Path
) -> None:
    temporary = tmp_path / "t"
    temporary.mkdir()
    env = {"MLFLOW_TRACKING_URI": fixture.uri, "TMPDIR": str(temporary)}
    command = [stagewright, "score", "models:/nosuch/1", "--input", str(fixture.photos), "--output"]
    done = run_command([*command, str(tmp_path / "out"), "--master", "local[1]"], env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("stagewright: There is no registered model 'nosuch'")
    assert len(done.stderr.splitlines()) == 1
    assert not any(_is_of(folder, temporary) for folder in Path("/proc").glob("[0-9]*"))
    assert [path for path in temporary.rglob("*") if path.is_file()] == []


def _is_of(process: Path, temporary: Path) -> bool:
    try:
        return str(temporary).encode() in (process / "environ").read_bytes()
    except OSError:
        return False


def test_a_worker_looks_for_garbage_again_once_it_has_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(starting, "import_module", lambda name: seen.append(gc.isenabled()))
    assert list(starting._imported(iter([]))) == []
    assert seen == [False] * len(starting.IMPORTS)
    assert gc.isenabled()

    def broken(name: str) -> None:
        raise OSError("no room")

    monkeypatch.setattr(starting, "import_module", broken)
    with pytest.raises(OSError, match="no room"):
        list(starting._imported(iter([])))
    assert gc.isenabled()
