"""Scoring runs, and the way between them and versions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from registry import JobKind, ModelVersion, Outcome, Registry, RunNotFound, RunStatus, Stage, UserError
from registry.author import author
from registry.tags import MLFLOW_USER, RUN_JOB


def test_from_a_version_one_finds_its_jobs_and_back(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    first, second = (reg.start_run(f"nights-{name}", "score", {"night": str(n)}, three[0]) for n in (1, 2))
    reg.start_run(f"nights-{name}", "score", version=three[1])
    metrics = {"rows": 12.0, "images_per_s": 3.5}
    params = {f"option_{n}": n for n in range(120)}
    reg.finish_run(first, Outcome(RunStatus.FAILED, metrics, params, {"output": "table"}))
    jobs = {job.run_id: job for job in reg.jobs_of(three[0])}
    assert set(jobs) == {first, second}
    assert (jobs[first].status, jobs[second].status) == (RunStatus.FAILED, RunStatus.RUNNING)
    assert jobs[first].metrics == metrics
    assert len(jobs[first].params) == 120
    assert (jobs[first].tags["night"], jobs[first].tags["output"]) == ("1", "table")
    assert {job.tags[MLFLOW_USER] for job in jobs.values()} == {author()}
    assert jobs[first].ended_at is not None
    assert reg.model_of(second) == three[0]


def test_the_finished_jobs_before_one_are_those_of_its_model_and_stage(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    def ran(kind: JobKind, version: ModelVersion = three[0], status: RunStatus = RunStatus.FINISHED) -> str:
        run_id = reg.start_run(f"nights-{name}", "job", {RUN_JOB: kind}, version)
        reg.finish_run(run_id, Outcome(status))
        return run_id

    first, second = ran(JobKind.SCORING), ran(JobKind.SCORING, three[1])
    ran(JobKind.EVALUATION)
    ran(JobKind.SCORING, status=RunStatus.FAILED)
    now = reg.run(ran(JobKind.SCORING))
    ran(JobKind.SCORING, replace(three[0], stage=Stage.PRODUCTION))
    found = [run.run_id for run in reg.jobs_before(now, 5) if run.started_at < now.started_at]
    assert sorted(found) == sorted([first, second])


def test_a_run_s_file_is_read_if_it_is_not_too_large(
    reg: Registry, name: str, three: list[ModelVersion], tmp_path: Path
) -> None:
    run_id = reg.start_run(f"nights-{name}", "job", version=three[0])
    assert reg.run_file(run_id, "report.json", 10) is None
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "report.json").write_bytes(b"0123456789")
    reg.log_files(run_id, tmp_path / "files")
    assert reg.run_file(run_id, "report.json", 10) == b"0123456789"
    with pytest.raises(UserError, match="10 bytes, more than the 9"):
        reg.run_file(run_id, "report.json", 9)


def test_a_run_that_used_no_version_says_so(sqlite_reg: Registry) -> None:
    run_id = sqlite_reg.start_run("stagewright", "other")
    with pytest.raises(RunNotFound, match="used no model version"):
        sqlite_reg.model_of(run_id)


def test_an_unknown_run_is_told(reg: Registry) -> None:
    with pytest.raises(RunNotFound, match="'0123'"):
        reg.finish_run("0123", Outcome())


def test_nothing_is_printed(server_uri: str, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    server = Registry(server_uri)
    server.finish_run(server.start_run(f"quiet-{name}", "score"), Outcome())
    assert capfd.readouterr().out == ""


def test_a_run_that_is_there_goes_on_and_another_is_not_found(reg: Registry, name: str) -> None:
    run_id = reg.start_run(name, "night", {"night": "7"})
    reg.finish_run(run_id, Outcome(metrics={"before": 1.0}))
    assert reg.resume_run(run_id, {"input": "photos"}) == run_id
    found = reg.run(run_id)
    assert (found.status, found.name, found.metrics) == (RunStatus.RUNNING, "night", {"before": 1.0})
    assert {"night": "7", "input": "photos"}.items() <= found.tags.items()
    with pytest.raises(RunNotFound, match="There is no run"):
        reg.resume_run("0" * 32)
