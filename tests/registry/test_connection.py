"""Which registry is meant, and what happens when it does not answer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import registry.connection
from registry import Refusal, Registry, RegistryError, RegistryUnreachable, UserError, errors
from registry.connection import Address, bounded_requests, without_password
from tests.clusters import free_port

from .conftest import PackageMaker


def test_without_any_setting_it_is_the_database_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert Address.find() == Address(uri, uri)


def test_the_settings_mean_what_they_mean_to_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking")
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    assert Address.find() == Address("http://tracking", "http://tracking")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://registry")
    assert Address.find() == Address("http://tracking", "http://registry")
    assert Address.find("http://a", "http://b") == Address("http://a", "http://b")
    monkeypatch.delenv("MLFLOW_REGISTRY_URI")
    assert Address.find("databricks") == Address("databricks", None)


def test_an_explicit_registry_is_used_whatever_the_environment_says(
    sqlite_reg: Registry, package: PackageMaker, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    version = sqlite_reg.register(package(), name).version
    assert (sqlite_reg.fetch(version, tmp_path / "into") / "MLmodel").is_file()


@pytest.mark.parametrize("scheme", ["http", "postgresql+psycopg2"], ids=["server", "database"])
def test_a_registry_that_refuses_connections_is_told_within_seconds(scheme: str) -> None:
    uri = f"{scheme}://ada:secret@127.0.0.1:{free_port()}"
    start = time.monotonic()
    with pytest.raises(RegistryUnreachable, match="MLFLOW_TRACKING_URI") as caught:
        Registry(uri).versions("flowers")
    assert time.monotonic() - start < 8
    assert "ada@127.0.0.1" in str(caught.value)


def test_a_registry_that_never_answers_is_told_within_the_stated_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = registry.connection._SETTINGS
    monkeypatch.setattr(registry.connection, "_SETTINGS", {**settings, "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(RegistryUnreachable):
            Registry(f"http://127.0.0.1:{silent.getsockname()[1]}").versions("flowers")
        assert time.monotonic() - start < 1 * 3 + 5


def test_a_database_that_never_answers_is_told_within_the_stated_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry.connection, "REQUEST_TIMEOUT_S", 2)  # libpq knows no shorter one
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(RegistryUnreachable, match=r"in 2 s: nobody answers there"):
            Registry(f"postgresql+psycopg2://ada:x@127.0.0.1:{silent.getsockname()[1]}/ml").versions(
                "flowers"
            )
        assert time.monotonic() - start < 2 + 5


def test_a_database_that_nobody_may_write_to_is_told_in_one_line(sqlite_uri: str, name: str) -> None:
    uri = f"sqlite:///file:{sqlite_uri.removeprefix('sqlite:///')}?mode=ro&uri=true"
    with pytest.raises(RegistryUnreachable, match=r": this user may not write to it\."):
        Registry(uri).start_run(name, "score")


def test_limits_leave_the_environment_as_it_was_also_between_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")
    before = dict(os.environ)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with bounded_requests():
            inside.set()
            leave.wait(5)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(5)
    with bounded_requests():
        leave.set()
        thread.join()
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "10"
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "5"
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://ada:secret@db:5432/ml?password=x", "postgresql://ada@db:5432/ml"),
        ("http://ada:secret@host", "http://ada@host"),
        ("sqlite:////srv/mlflow.db", "sqlite:////srv/mlflow.db"),
        ("http://host:5000", "http://host:5000"),
    ],
)
def test_a_password_is_never_shown(uri: str, shown: str) -> None:
    assert without_password(uri) == shown


def test_every_error_is_either_a_users_mistake_or_a_refusal_and_carries_its_hint() -> None:
    leaves = [
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, RegistryError)
    ]
    for found in set(leaves) - {RegistryError}:
        assert issubclass(found, UserError) != issubclass(found, Refusal)
        assert found.__name__ in str(errors.__doc__)
    assert str(UserError("What.", "Next.")) == "What. Next."


def test_importing_the_registry_imports_neither_mlflow_nor_anything_heavy() -> None:
    heavy = "{'mlflow', 'torch', 'pyspark', 'pandas', 'numpy', 'sqlalchemy'}"
    code = f"import sys, registry; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_artifacts_lie_beside_a_sqlite_file_wherever_the_caller_stands(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("_MLFLOW_SERVER_ARTIFACT_ROOT", raising=False)
    monkeypatch.chdir("/")
    found = Address.find(f"sqlite:///{tmp_path}/mlflow.db").artifacts_of("jobs")
    assert found == f"file://{tmp_path.resolve()}/mlruns/jobs"
    assert Address.find("http://127.0.0.1:5000").artifacts_of("jobs") is None
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", "s3://somewhere")
    assert Address.find(f"sqlite:///{tmp_path}/mlflow.db").artifacts_of("jobs") is None
