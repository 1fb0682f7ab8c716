"""How MLflow, where it saves or sends a model, compares what that requires with what is installed: driver only."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlflow.utils import requirements_utils


@contextmanager
def requirements_by_name() -> Iterator[None]:
    """Inside, MLflow compares a version's requirements with what is installed by the names of packages alone.

    Else it reads the lists of all files of all packages first, a second or more, for those that are installed under
    no name. Its own later questions find nothing of this.
    """
    known: Any = requirements_utils
    if getattr(known, "_MODULES_TO_PACKAGES", {}) is not None:  # read already, or another MLflow
        yield
        return
    known._MODULES_TO_PACKAGES = {}
    try:
        yield
    finally:
        known._MODULES_TO_PACKAGES = known._PACKAGES_TO_MODULES = None
