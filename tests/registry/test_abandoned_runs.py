"""A run whose process is gone does not say RUNNING for ever, and no other run is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.tracking import MlflowClient

from jobs.scoring.recording import end_abandoned
from registry import Registry, RunStatus, processes, tags
from registry.processes import OUTERMOST, Process


@pytest.fixture
def here() -> Process:
    found = Process.here()
    assert found is not None
    return found


@pytest.fixture
def other(here: Process) -> Iterator[tuple[subprocess.Popen[bytes], Process]]:
    """A process that does nothing, and what is known of it."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as started:
        known = processes._stat(started.pid)
        assert known is not None
        yield started, replace(here, pid=started.pid, started=known[1])
        started.kill()


def of(process: Process) -> dict[str, str]:
    """The tags of its runs."""
    return {tags.RUN_HOST: process.host, tags.RUN_PROCESS: process.text()}


def status(registry: Registry, run_id: str) -> RunStatus:
    return registry.run(run_id).status


def test_a_run_says_killed_once_its_process_is_gone_and_not_before(
    reg: Registry, name: str, other: tuple[subprocess.Popen[bytes], Process]
) -> None:
    process, known = other
    own = reg.start_run(name, "score")
    run_id = reg.start_run(name, "score", of(known))
    assert reg.end_abandoned_runs(name) == []
    assert status(reg, run_id) is RunStatus.RUNNING
    process.kill()  # nobody has waited for it yet: a zombie is gone, too
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert reg.end_abandoned_runs(name) == [run_id]
    assert status(reg, run_id) is RunStatus.KILLED
    assert f"process {process.pid} of {known.host} was gone" in reg.run(run_id).tags[tags.RUN_ENDED]
    assert status(reg, own) is RunStatus.RUNNING
    assert reg.end_abandoned_runs(name) == []


def test_what_cannot_be_told_from_here_counts_as_alive(here: Process) -> None:
    gone = replace(here, started=here.started + 1)  # the id is another process's by now
    assert gone.is_gone(here)
    assert replace(here, pid=2**22 + 7).is_gone(here)
    assert not here.is_gone(here)
    assert not replace(gone, host="elsewhere").is_gone(here)
    assert not replace(gone, namespace="1.2").is_gone(here)
    assert not replace(here, pid=1, started=processes._stat(1)[1]).is_gone(here)  # type: ignore[index]


def test_after_a_restart_of_the_machine_its_processes_are_gone_but_not_those_of_containers(
    here: Process,
) -> None:
    machine = replace(here, namespace=OUTERMOST, machine="0123456789abcdef")
    before = replace(machine, boot="1f0c-before")
    assert before.is_gone(machine)
    assert not before.is_gone(replace(machine, machine="fedcba9876543210"))
    assert not replace(before, machine="").is_gone(replace(machine, machine=""))
    assert not replace(before, namespace="7.8").is_gone(replace(machine, namespace="7.8"))


def test_a_process_is_read_as_it_was_written_and_nothing_else_is(here: Process) -> None:
    assert Process.read(here.host, here.text()) == here
    for text in ("", "x", here.text() + "0" * 30, here.text().replace(":", "/"), f"{here.text()}\n"):
        assert Process.read(here.host, text) is None


def test_who_may_only_read_is_not_stopped_by_it(
    sqlite_reg: Registry, sqlite_uri: str, name: str, here: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = sqlite_reg.start_run(name, "score", of(replace(here, pid=2**22 + 7)))

    def refuse(*_: object, **__: object) -> None:
        raise MlflowException("no", PERMISSION_DENIED)

    monkeypatch.setattr(MlflowClient, "set_tag", refuse)
    end_abandoned(sqlite_reg, name)
    assert status(sqlite_reg, run_id) is RunStatus.RUNNING
    end_abandoned(sqlite_reg, f"no experiment of this name: {name}")
    monkeypatch.undo()
    end_abandoned(Registry(sqlite_uri), name)
    assert status(sqlite_reg, run_id) is RunStatus.KILLED


def test_a_run_that_ended_by_itself_meanwhile_stays_as_it_said(
    sqlite_reg: Registry, name: str, here: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = sqlite_reg.start_run(name, "score", of(replace(here, pid=2**22 + 7)))
    found = Process.is_gone

    def after_its_end(process: Process, here: Process) -> bool:
        MlflowClient(sqlite_reg.address.tracking_uri).set_terminated(run_id, "FINISHED")
        return found(process, here)

    monkeypatch.setattr(Process, "is_gone", after_its_end)
    assert sqlite_reg.end_abandoned_runs(name) == []
    assert status(sqlite_reg, run_id) is RunStatus.FINISHED
