"""The driver's side: a version's directory as it was fetched -> an MLflow model directory that answers row by row."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.pyfunc
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from ..requirements import requirements_by_name
from . import host
from .host import MISSING

__all__ = ["MISSING", "package_foreign"]

_SCRIPT = "\n\nfrom mlflow.models import set_model\n\nset_model(Host({told!r}))\n"


def package_foreign(model: Path, told: Mapping[str, Any], outputs: Schema, into: Path) -> Path:
    """Write to `into`, which must not exist, a model that asks the one in `model` and says of each row how it went.

    `told`: see `host.Host`. `outputs`: the version's columns, to which `status` and `error` are added.
    """
    script = into.with_name("entrypoint.py")
    into.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(Path(host.__file__).read_text() + _SCRIPT.format(told=dict(told)))
    status = [ColSpec(DataType.string, "status"), ColSpec(DataType.string, "error")]
    with requirements_by_name():
        mlflow.pyfunc.save_model(
            path=into,
            python_model=str(script),
            artifacts={"model": str(model)},
            signature=ModelSignature(
                # The columns are cast in Spark; to look through each value of each row once more would take longer than
                # many a model does.
                outputs=Schema([*outputs.inputs, *status]),
                params=ParamSchema([ParamSpec("batch_size", DataType.long, 0)]),
            ),
            pip_requirements=[f"mlflow=={version('mlflow')}"],
        )
    return into
