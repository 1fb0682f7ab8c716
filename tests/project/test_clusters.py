"""The arrangements themselves: they are real, and they leave nothing behind."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from pyspark.sql import SparkSession

from tests import leash
from tests.clusters import MlflowServer, http_get, python_with_only, run_python


def test_an_mlflow_server_ends_with_all_its_workers(registry_template: Path, tmp_path: Path) -> None:
    shutil.copyfile(registry_template, tmp_path / "mlflow.db")
    with MlflowServer(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "artifacts") as server:
        [session] = server.session_ids
        assert http_get(f"{server.url}/health") == b"OK"

    assert not leash.session_members(session)
    assert http_get(f"{server.url}/health") is None


def test_what_a_killed_test_process_started_ends_too(tmp_path: Path) -> None:
    source = """
        import sys
        from pathlib import Path
        from tests.clusters import LeashedProcess
        process = LeashedProcess(["sleep", "600"], Path("log"), {}, Path("."))
        print(process.session_id, flush=True)
        sys.stdin.read()
    """
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    session = int(holder.stdout.readline())
    assert leash.session_members(session)

    holder.send_signal(signal.SIGKILL)
    holder.communicate()

    assert _becomes_empty(session)


def test_a_script_that_takes_too_long_is_ended_with_what_it_started() -> None:
    source = """
        import os, subprocess, time
        subprocess.Popen(["sleep", "600"], process_group=0)
        print(os.getsid(0), flush=True)
        time.sleep(600)
    """
    started = time.monotonic()
    finished = run_python(source, timeout_s=1)

    assert finished.returncode == 124
    assert time.monotonic() - started < 10
    assert not leash.session_members(int(finished.stdout))
    with pytest.raises(AssertionError, match="out of time"):
        finished.check()


def test_a_script_gets_its_arguments_and_environment_and_its_exit_status_comes_back() -> None:
    source = """
        import os, sys
        print(sys.argv[1:], os.environ["GREETING"], "HOME" in os.environ)
        sys.exit(3)
    """
    finished = run_python(source, args=["a b"], env={"GREETING": "hello", "HOME": None})

    assert (finished.returncode, finished.stdout) == (3, "['a b'] hello False\n")


def test_an_environment_has_only_what_was_asked_for_and_what_that_needs(tmp_path: Path) -> None:
    python = python_with_only(["mlflow>=3", "openvino"], tmp_path / "bare")
    source = """
        from importlib.util import find_spec
        import mlflow.pyfunc, openvino, pandas
        names = ["registry", "pyfunc_models", "jobs", "torch", "pyspark", "openvino", "sqlalchemy"]
        print([name for name in names if find_spec(name)])
    """
    finished = subprocess.run(
        [python, "-c", textwrap.dedent(source)],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert finished.stdout == "['openvino', 'sqlalchemy']\n"


def test_the_local_session_runs_tasks_in_this_environment_and_writes_into_its_own_folder(
    spark: SparkSession,
) -> None:
    pythons = spark.sparkContext.parallelize(range(2), 2).map(lambda _: sys.executable).collect()

    assert pythons == [sys.executable, sys.executable]
    assert not Path("spark-warehouse").exists()


def test_each_registry_is_empty_and_keeps_its_files_to_itself(registry_uri: str, tmp_path: Path) -> None:
    assert mlflow.get_tracking_uri() == mlflow.get_registry_uri() == registry_uri
    client = MlflowClient()
    assert client.search_registered_models() == []

    client.create_registered_model("flowers")
    with mlflow.start_run() as default_run:
        mlflow.log_text("kept", "note.txt")
    mlflow.set_experiment("another")
    with mlflow.start_run() as run:
        mlflow.log_text("kept", "note.txt")

    assert run.info.experiment_id != default_run.info.experiment_id
    assert len(list((tmp_path / "registry" / "artifacts").rglob("note.txt"))) == 2
    with sqlite3.connect(tmp_path / "registry" / "mlflow.db") as connection:
        assert connection.execute("SELECT name FROM registered_models").fetchall() == [("flowers",)]


def test_a_second_registry_knows_nothing_of_the_first(registry_uri: str) -> None:
    assert MlflowClient().search_registered_models() == []
    assert mlflow.active_run() is None
    assert MlflowClient().get_experiment_by_name("another") is None
    with mlflow.start_run() as run:
        assert run.info.experiment_id == "0"


def _becomes_empty(session: int) -> bool:
    deadline = time.monotonic() + 2 * leash.GRACE_S
    while leash.session_members(session) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not leash.session_members(session)
