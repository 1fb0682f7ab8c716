"""How many workers an executor runs: one a core, and for a big model one with all cores."""

import os
import sys
from pathlib import Path

import pytest

from jobs.spark import workers
from mlruns_fixture.build import Fixture
from tests.clusters import run_command

MODEL = "models:/colours/Production"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model's directory."""
    (tmp_path / "weights.bin").write_bytes(b"0" * 10)
    return tmp_path


@pytest.fixture
def big(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever there is is big."""
    monkeypatch.setattr(workers, "BIG_MODEL_BYTES", 1)
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)


def test_a_small_model_has_one_worker_a_core(model: Path, said: list[str]) -> None:
    found = workers.for_models([model], "local[4]", {"a": "b"}, said.append)
    assert found == ("local[4]", {"a": "b"})
    assert not said


@pytest.mark.parametrize(
    ("master", "settings", "cores"),
    [
        ("local[4]", {}, "4"),
        ("local[4,2]", {}, "4"),
        ("local", {}, "1"),
        (None, {"spark.master": "local[3]"}, "3"),
        ("spark://host:7077", {"spark.executor.cores": "16"}, "16"),
    ],
)
def test_a_big_model_has_one_worker_with_the_cores_of_its_executor(
    big: None, model: Path, said: list[str], master: str | None, settings: dict[str, str], cores: str
) -> None:
    _, found = workers.for_models([model], master, settings, said.append)
    assert found == {**settings, "spark.task.cpus": cores}
    assert f"one worker with {cores} threads" in said[0]


@pytest.mark.parametrize(
    ("master", "counted"), [(None, "local[6]"), ("local[*]", "local[6]"), ("local[*,3]", "local[6,3]")]
)
def test_all_cores_are_counted_once_for_master_and_task(
    big: None, model: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, master: str | None, counted: str
) -> None:
    monkeypatch.setattr(workers, "_all_cores", lambda: 6)
    found = workers.for_models([model], master, {}, said.append)
    assert found == (counted, {"spark.task.cpus": "6"})


@pytest.mark.parametrize("own", ["spark.task.cpus", "spark.task.resource.gpu.amount"])
def test_a_users_own_setting_wins(big: None, model: Path, said: list[str], own: str) -> None:
    found = workers.for_models([model], "local[4]", {own: "1"}, said.append)
    assert found == ("local[4]", {own: "1"})
    assert not said


@pytest.mark.parametrize("master", ["spark://host:7077", "yarn"])
def test_where_nothing_says_how_many_cores_there_are_the_user_is_told(
    big: None, model: Path, said: list[str], master: str
) -> None:
    assert workers.for_models([model], master, {}, said.append) == (master, {})
    assert "--conf spark.task.cpus=N" in said[0]


def test_under_spark_submit_the_user_is_told(
    big: None, model: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert workers.for_models([model], None, {}, said.append) == (None, {})
    assert "--conf spark.task.cpus=N" in said[0]


@pytest.mark.parametrize(("text", "cores"), [("150000 100000", 1.5), ("max 100000", float("inf"))])
def test_a_containers_quota_counts(tmp_path: Path, text: str, cores: float) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert workers._quota(tmp_path / "cpu.max") == cores
    assert workers._quota(tmp_path / "none") == float("inf")
    assert 1 <= workers._all_cores() <= (os.cpu_count() or 1)


def test_the_command_scores_a_big_model_in_one_task_at_once(fixture: Fixture, tmp_path: Path) -> None:
    command = (
        "from jobs import cli; from jobs.spark import workers as w; w.BIG_MODEL_BYTES = 1; exit(cli.main())"
    )
    output = tmp_path / "out"
    arguments = ["score", MODEL, "--input", str(fixture.photos), "--output", str(output)]
    done = run_command(
        [sys.executable, "-c", command, *arguments, "--master", "local[2]", "--max-error-rate", "1"],
        env={"MLFLOW_TRACKING_URI": fixture.uri, "PYSPARK_PYTHON": None},
    )
    assert done.returncode == 0, done.stderr
    assert "one worker with 2 threads" in done.stderr
    # One round of one task; two workers would have had one each.
    assert len(list(output.glob("*.parquet"))) == 1
