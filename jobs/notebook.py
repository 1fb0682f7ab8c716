"""From a live module to a version, in one call.

It cannot be a method of `registry.Registry`, which knows neither torch nor how a model is packaged.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
import torch

from pyfunc_models import Preprocess
from pyfunc_models.packaging import PackageOptions, package
from registry import Registration, Registry


def register(
    module: torch.nn.Module,
    name: str,
    preprocess: Preprocess | Any,
    labels: Sequence[str] | None = None,
    *,
    options: PackageOptions | None = None,
    tags: Mapping[str, str] | None = None,
    registry: Registry | None = None,
) -> Registration:
    """Package a module as it is and make it a version of `name`, or find the version that it has already.

    `preprocess`: how photos are prepared, or torchvision's transforms, such as `weights.transforms()`. `labels`,
    `options`: as in `pyfunc_models.packaging.package`. Where an MLflow run is active, the version is made from it, and
    it stays active; else a run is made for that. Raises ValueError on transforms that cannot be said as data,
    pyfunc_models.packaging's errors, registry.RegistryError.
    """
    if not isinstance(preprocess, Preprocess):
        preprocess = Preprocess.from_torchvision(preprocess)
    active = mlflow.active_run()
    with tempfile.TemporaryDirectory(prefix="stagewright-") as scratch:
        packaged = package(module, preprocess, labels, into=Path(scratch) / "model", options=options)
        run_id = active.info.run_id if active else None
        return (registry or Registry()).register(packaged, name, tags, source_run_id=run_id)
