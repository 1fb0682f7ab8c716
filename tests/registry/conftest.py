"""Real registries: a migrated SQLite database copied for each test, and one MLflow server for the session."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import mlflow.pyfunc
import pytest
from mlflow.tracking import MlflowClient

from registry import ModelVersion, Registry
from registry.trust.digests import graph_digest
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


def describe(directory: Path, **more: object) -> dict[str, object]:
    """What packaging says of a model directory: `more` in place of the usual, and the digests of its files."""
    said = {
        "format": 1,
        "kind": "classifier",
        "architecture": "torchvision:resnet50",
        "precisions": ["f32", "bf16"],
        "transforms": ["exact"],
        "decodes": ["full"],
        "labels_count": 4,
        "versions": {"stagewright": "0.1.0", "torch": "2.14.1", "python": "3.11"},
        "pickled": [],
        "measured": {"bf16": {"agreement": 0.99}},
    } | more
    graphs = directory / "artifacts" / "model"
    [wrapper] = (directory / "code").iterdir()
    digests: dict[str, object] = {
        "weights": sha256(graphs / "model.bin"),
        "graph": sha256(graphs / "model.pt2"),
        "ir": graph_digest(graphs / "model.xml"),
        "preprocess": sha256(graphs / "preprocess.json"),
        "code": wrapper.name.rpartition("_")[2],
    }
    parts = digests | {key: said[key] for key in ("kind", "precisions", "decodes")}
    parts |= {
        file: sha256(graphs / file) for file in ("labels.json", "callables.pkl") if (graphs / file).exists()
    }
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return {"model_digest": digest, "digests": digests} | said


def write_description(directory: Path, said: Mapping[str, object]) -> Path:
    """Put a description into a model directory and seal it."""
    (directory / "stagewright.json").write_text(json.dumps(said))
    return seal(directory)


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loadable MLflow model saved once, not yet packaged."""
    home = tmp_path_factory.mktemp("saved")
    script = home / "echo.py"
    script.write_text(MODEL_CODE)
    mlflow.pyfunc.save_model(home / "model", python_model=str(script), pip_requirements=["mlflow"])
    return home / "model"


@pytest.fixture(scope="session")
def old_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory that an earlier commit packaged; read only."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(Path(__file__).parents[1] / "fixtures" / "colours-flat.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "colours-flat"


@pytest.fixture
def package(old_package: Path, tmp_path: Path) -> PackageMaker:
    """Makes packaged model directories: each another model unless the `seed` is the same."""

    def make(seed: str = "", **more: object) -> Path:
        seed = seed or uuid.uuid4().hex
        directory = tmp_path / f"package-{uuid.uuid4().hex[:8]}"
        shutil.copytree(old_package, directory)
        graphs = directory / "artifacts" / "model"
        (graphs / "labels.json").write_text(json.dumps(["red", "green", "blue", seed]))
        if more.get("pickled"):
            (graphs / "callables.pkl").write_bytes(seed.encode())
        if kind := more.get("kind"):
            script = (directory / "entrypoint.py").read_text()
            (directory / "entrypoint.py").write_text(script.replace("classifier", str(kind)))
        return write_description(directory, describe(directory, **more))

    return make


@pytest.fixture
def sqlite_uri(registry_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new registry in the test's own folder, artifacts below it."""
    home = tmp_path / "registry"
    home.mkdir()
    shutil.copy(registry_template, home / "mlflow.db")
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
