"""A packaged model that tests share, and ways to load one as MLflow does."""

from collections.abc import Callable
from pathlib import Path

import mlflow.pyfunc
import pytest

from mlruns_fixture import LABELS, PREPROCESS, ColourNet
from pyfunc_models.packaging import package


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packaged ColourNet; tests that damage it take a copy."""
    folder = tmp_path_factory.mktemp("packaged")
    return package(ColourNet(), PREPROCESS, LABELS, into=folder / "colours")


@pytest.fixture
def loaded(colours: Path) -> mlflow.pyfunc.PyFuncModel:
    return mlflow.pyfunc.load_model(str(colours))


Predict = Callable[..., object]
