"""Real registries: a migrated SQLite database copied for each test, and one MLflow server for the session."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import mlflow.pyfunc
import pytest
from mlflow.tracking import MlflowClient

from registry import ModelVersion, Registry
from tests.clusters import MlflowServer

PackageMaker = Callable[..., Path]

MODEL_CODE = """
import mlflow.pyfunc
from mlflow.models import set_model


class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input


set_model(Echo())
"""


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def seal(directory: Path) -> Path:
    """Write SHA256SUMS as coreutils' sha256sum would."""
    names = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    lines = [f"{sha256(directory / name)}  {name}\n" for name in names if name != "SHA256SUMS"]
    (directory / "SHA256SUMS").write_text("".join(lines))
    return directory


def describe(digest: str, **more: object) -> dict[str, object]:
    return {
        "format": 1,
        "model_digest": digest,
        "kind": "classifier",
        "architecture": "torchvision:resnet50",
        "precisions": ["f32", "bf16"],
        "labels_count": 1000,
        "digests": {part: "0" * 64 for part in ("weights", "code", "preprocess", "graph")},
        "versions": {"stagewright": "0.1.0", "torch": "2.14.1", "python": "3.11"},
        "pickled": [],
        "measured": {"bf16": {"agreement": 0.99}},
    } | more


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loadable MLflow model saved once, not yet packaged."""
    home = tmp_path_factory.mktemp("saved")
    script = home / "echo.py"
    script.write_text(MODEL_CODE)
    mlflow.pyfunc.save_model(home / "model", python_model=str(script), pip_requirements=["mlflow"])
    return home / "model"


@pytest.fixture
def package(saved_model: Path, tmp_path: Path) -> PackageMaker:
    """Makes packaged model directories: each another model unless `digest` is given."""

    def make(digest: str = "", **more: object) -> Path:
        digest = digest or hashlib.sha256(uuid.uuid4().bytes).hexdigest()
        directory = tmp_path / f"package-{uuid.uuid4().hex[:8]}"
        shutil.copytree(saved_model, directory)
        (directory / "weights").mkdir()
        (directory / "weights" / "model.bin").write_bytes(digest.encode() * 10)
        (directory / "stagewright.json").write_text(json.dumps(describe(digest, **more)))
        return seal(directory)

    return make


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database after MLflow's migrations, which take seconds."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def sqlite_uri(migrated_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new registry in the test's own folder, artifacts below it."""
    home = tmp_path / "registry"
    home.mkdir()
    shutil.copy(migrated_database, home / "mlflow.db")
    monkeypatch.chdir(home)
    uri = f"sqlite:///{home / 'mlflow.db'}"
    MlflowClient(uri).create_experiment("stagewright", artifact_location=(home / "artifacts").as_uri())
    return uri


@pytest.fixture(scope="session")
def server_uri(mlflow_server: MlflowServer) -> str:
    """The MLflow server that all tests share, with proxied artifacts; each test takes names of its own."""
    return mlflow_server.url


@pytest.fixture(params=["sqlite_uri", "server_uri"], ids=["sqlite", "server"])
def uri(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def reg(uri: str) -> Registry:
    return Registry(uri)


@pytest.fixture
def sqlite_reg(sqlite_uri: str) -> Registry:
    return Registry(sqlite_uri)


@pytest.fixture
def name() -> str:
    """A model name that no other test uses, for they share one server."""
    return f"main.vision.flowers-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def three(reg: Registry, uri: str, name: str) -> list[ModelVersion]:
    """Three versions of one model that nobody downloads: made in MLflow itself, without artifacts."""
    return make_three(uri, name)


@pytest.fixture
def three_on_sqlite(sqlite_uri: str, name: str) -> None:
    """As `three`, on SQLite alone."""
    make_three(sqlite_uri, name)


def make_three(uri: str, name: str) -> list[ModelVersion]:
    client = MlflowClient(uri)
    client.create_registered_model(name)
    for _ in range(3):
        client.create_model_version(name, "s3://bucket/model", await_creation_for=0)
    return Registry(uri).versions(name)
