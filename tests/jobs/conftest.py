"""A registry with two versions of a tiny model, made once; tests that change it take a copy."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlruns_fixture import PLAIN
from mlruns_fixture.build import Fixture, build
from tests.conftest import forget_mlflow_state


@pytest.fixture(scope="session")
def colours_registry(tmp_path_factory: pytest.TempPathFactory, registry_template: Path) -> Fixture:
    """Read only: version 1 of `colours` in Production, version 2 in Staging."""
    return build(tmp_path_factory.mktemp("fixture") / "registry", registry_template)


@pytest.fixture
def fixture(colours_registry: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fixture]:
    """The same to write into: runs and promotions stay in this test. MLflow's clients use it by default."""
    database = tmp_path / "mlflow.db"
    shutil.copyfile(colours_registry.uri.removeprefix("sqlite:///"), database)
    forget_mlflow_state()
    uri = f"sqlite:///{database}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    yield Fixture(uri, colours_registry.photos, colours_registry.golden)
    forget_mlflow_state()


@pytest.fixture
def six_photos(tmp_path: Path) -> Path:
    """A folder in whose folder `in` one photo lies under six names."""
    (tmp_path / "in").mkdir()
    for i in range(6):
        (tmp_path / "in" / f"{i}.jpg").write_bytes(PLAIN["red-64x48.jpg"])
    return tmp_path


@pytest.fixture(scope="session")
def stagewright() -> str:
    """The installed command."""
    return str(Path(sys.executable).parent / "stagewright")
