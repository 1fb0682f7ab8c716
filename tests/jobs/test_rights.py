"""Jobs of users who may read the model and write little else, on an MLflow server with basic-auth."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from pyspark.sql import SparkSession

from jobs.cli import exit_code
from jobs.scoring import batch
from jobs.scoring.job import ScoreJob
from jobs.scoring.sinks import Sink
from jobs.scoring.sources import Source
from mlruns_fixture.build import Fixture
from registry import AccessDenied, Registry, RegistryError, RunRefused, RunStatus, UserError
from tests.clusters import AuthenticatedMlflowServer, free_port
from tests.conftest import forget_mlflow_state

MODEL = "models:/colours/1"
PASSWORD = "a-word-that-nobody-may-see"


def sign_in(patch: pytest.MonkeyPatch, user: str, password: str = PASSWORD) -> None:
    patch.setenv("MLFLOW_TRACKING_USERNAME", user)
    patch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    forget_mlflow_state()


@pytest.fixture(scope="module")
def server(colours_registry: Fixture, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address. `reader` may READ the model and what it was registered in, and EDIT `mine`; `stranger` nothing."""
    from mlflow.server.auth.client import AuthServiceClient  # here, for it imports all of MLflow's server

    folder = tmp_path_factory.mktemp("guarded")
    database = f"sqlite:///{folder / 'mlflow.db'}"
    with (
        AuthenticatedMlflowServer(database, folder / "artifacts") as guarded,
        pytest.MonkeyPatch.context() as patch,
    ):
        sign_in(patch, *AuthenticatedMlflowServer.ADMIN)
        packaged = Path(colours_registry.uri.removeprefix("sqlite:///")).parent / "packaged" / "1"
        Registry(guarded.url).register(packaged, "colours")
        client, users = MlflowClient(guarded.url), AuthServiceClient(guarded.url)
        for user in ("reader", "stranger"):
            users.create_user(user, PASSWORD)
            guarded.answer_soon(user, PASSWORD)
        users.grant_user_permission("reader", "registered_model", "colours", "READ")
        registered = client.get_experiment_by_name("stagewright")
        for experiment, right in (
            (registered.experiment_id, "READ"),
            (client.create_experiment("mine"), "EDIT"),
            (client.create_experiment("theirs"), "READ"),
        ):
            users.grant_user_permission("reader", "experiment", experiment, right)
        client.create_experiment("hidden")
        yield guarded.url
    forget_mlflow_state()


@pytest.fixture
def job(
    server: str, colours_registry: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ScoreJob]:
    for name in ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    sign_in(monkeypatch, "reader")
    photos = tmp_path / "photos"
    photos.mkdir()
    for photo in sorted(colours_registry.photos.glob("*-64x48.jpg"))[:3]:
        (photos / photo.name).write_bytes(photo.read_bytes())
    yield ScoreJob(MODEL, Source(str(photos)), Sink(str(tmp_path / "scored")))
    forget_mlflow_state()


def run(spark: SparkSession, job: ScoreJob) -> batch.ScoreReport:
    return batch.run(spark, Registry(), job, lambda line: None)


def runs_in(url: str, monkeypatch: pytest.MonkeyPatch, *experiments: str) -> list[Run]:
    """As the administrator sees them."""
    with monkeypatch.context() as patch:
        sign_in(patch, *AuthenticatedMlflowServer.ADMIN)
        client = MlflowClient(url)
        places = [client.get_experiment_by_name(name).experiment_id for name in experiments]
        found = list(client.search_runs(places))
    forget_mlflow_state()
    return found


def test_a_reader_scores_into_an_experiment_of_his_own_and_into_a_run_that_is_named(
    spark: SparkSession, server: str, job: ScoreJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert run(spark, job).by_status == {"ok": 3}
    [made] = runs_in(server, monkeypatch, "mine")
    client = MlflowClient(server)
    begun = client.create_run(made.info.experiment_id, run_name="of a scheduler", tags={"night": "7"})
    monkeypatch.setenv("MLFLOW_RUN_ID", begun.info.run_id)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "hidden")  # which MLflow does not look at beside a run
    done = run(spark, replace(job, sink=Sink(job.sink.path + "-again")))
    assert done.scoring_run_id == begun.info.run_id
    assert "MLFLOW_RUN_ID" not in os.environ
    found = client.get_run(begun.info.run_id)
    assert (found.info.run_name, found.info.status) == ("of a scheduler", RunStatus.FINISHED)
    assert (found.data.tags["night"], found.data.metrics["rows"]) == ("7", 3.0)
    assert found.data.tags["stagewright.model.name"] == "colours"
    assert [artifact.path for artifact in client.list_artifacts(found.info.run_id)] == [
        "report.html",
        "report.json",
    ]
    kept = runs_in(server, monkeypatch, "mine", "hidden", "theirs")
    assert {one.info.run_id for one in kept} == {made.info.run_id, begun.info.run_id}
    written = [file.read_bytes() for file in Path(job.sink.path).parent.rglob("*") if file.is_file()]
    assert not any(PASSWORD.encode() in content for content in [repr(kept).encode(), *written])


def test_where_no_run_may_be_made_the_right_is_named_and_no_record_goes_on(
    spark: SparkSession, server: str, job: ScoreJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    for experiment in ("theirs", "hidden"):
        with pytest.raises(
            RunRefused, match=f"{experiment!r} of {server}: they lack EDIT .*--no-record"
        ) as refused:
            run(spark, replace(job, experiment=experiment))
        assert exit_code(refused.value) == 2
        assert not list(Path(job.sink.path).glob("*.parquet"))
    done = run(spark, replace(job, experiment="hidden", record=False))
    assert (done.by_status, done.recorded) == ({"ok": 3}, False)
    rows = spark.read.parquet(job.sink.path).select("scoring_run_id").distinct().collect()
    assert [row[0] for row in rows] == [done.scoring_run_id]
    assert runs_in(server, monkeypatch, "theirs", "hidden") == []
    assert (Path(job.sink.path) / "_stagewright/report.html").is_file()


def test_a_run_that_cannot_go_on_is_refused_by_what_is_wrong_with_it(
    server: str, job: ScoreJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        sign_in(patch, *AuthenticatedMlflowServer.ADMIN)
        client = MlflowClient(server)
        places = {each.name: each.experiment_id for each in client.search_experiments()}
        mine, theirs, deleted = (
            client.create_run(places[name]).info.run_id for name in ("mine", "theirs", "mine")
        )
        client.delete_run(deleted)
    sign_in(monkeypatch, "reader")
    registry = Registry(server)
    for other in (theirs, "nobody-made-it"):  # of which the server says the same
        with pytest.raises(RunRefused, match=f"may not write into the run {other!r}"):
            registry.resume_run(other)
    with pytest.raises(UserError, match=f"The run {deleted!r} was deleted"):
        registry.resume_run(deleted)
    with pytest.raises(UserError, match=r"is of the experiment 'mine', and not of 'theirs'"):
        registry.resume_run(mine, experiment="theirs")
    assert registry.resume_run(mine, experiment="mine") == mine


def test_whoever_may_not_read_the_model_is_told_so_and_no_password_is(
    server: str, job: ScoreJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(monkeypatch, "stranger")
    with pytest.raises(AccessDenied, match=r"may not read the model 'colours' of .*: they lack READ on it"):
        batch.check(Registry(), job)
    sign_in(monkeypatch, "reader", "not-this")
    with pytest.raises(AccessDenied, match=r"not authenticated.*MLFLOW_TRACKING_PASSWORD"):
        batch.check(Registry(), job)
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME")
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    for address in (server, f"http://127.0.0.1:{free_port()}"):
        uri = address.replace("http://", f"http://stranger:{PASSWORD}@")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        forget_mlflow_state()
        with pytest.raises(RegistryError) as refused:
            batch.check(Registry(), job)
        assert PASSWORD not in str(refused.value)
