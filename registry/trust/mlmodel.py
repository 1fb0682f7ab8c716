"""`MLmodel`, by which MLflow decides what it imports and runs: exactly as packaging has MLflow write it.

What MLflow acts on there, read in 3.17: `loader_module` is imported, `code` goes on the import path,
`model_code_path` is run, without it `python_model` is unpickled; `artifacts`, `data`, `model_config`,
`predict_fn`, `streamable`, `metadata`, `resources`, `auth_policy` and `saved_input_example_info` steer the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from registry.errors import ArtifactMismatch

MLMODEL = "MLmodel"
_MAX_BYTES = 1 << 20
_LOADER = "mlflow.pyfunc.loaders.code_model"
_ENVIRONMENT = {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
_VERSION = re.compile(r"[0-9A-Za-z.+!_-]{1,64}")
Check = Callable[[Any], bool]


def _is(wanted: object) -> Check:
    return lambda found: bool(found == wanted and type(found) is type(wanted))


def _text(found: Any) -> bool:
    return isinstance(found, str)


def _version(found: Any) -> bool:
    return isinstance(found, str) and _VERSION.fullmatch(found) is not None


def _entry_point(found: Any) -> bool:
    """MLflow keeps the path that the script had when it was saved, and runs the file of that name in the model."""
    return isinstance(found, str) and re.split(r"[/\\]", found)[-1] == "entrypoint.py"


def _artifacts(found: Any) -> bool:
    """MLflow keeps where they were; it reads `path`."""
    return (
        isinstance(found, dict)
        and found.keys() == {"model"}
        and isinstance(found["model"], dict)
        and found["model"].keys() <= {"path", "uri"}
        and found["model"].get("path") == "artifacts/model"
    )


def _signature(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and found.keys() <= {"inputs", "outputs", "params"}
        and all(part is None or isinstance(part, str) for part in found.values())
    )


def _flavors(found: Any) -> bool:
    return isinstance(found, dict) and found.keys() == {"python_function"}


_TOP: Mapping[str, Check] = {
    "flavors": _flavors,
    "is_signature_from_type_hint": _is(False),
    "mlflow_version": _version,
    "model_size_bytes": lambda found: isinstance(found, int),
    "model_uuid": _text,
    "signature": _signature,
    "type_hint_from_example": _is(False),
    "utc_time_created": _text,
}
_FLAVOR: Mapping[str, Check] = {
    "artifacts": _artifacts,
    "cloudpickle_version": _version,
    "code": _is("code"),
    "env": _is(_ENVIRONMENT),
    "loader_module": _is(_LOADER),
    "model_code_path": _entry_point,
    "python_version": _version,
    "streamable": _is(False),
}
_NEEDED = ("artifacts", "code", "loader_module", "model_code_path")


def check(directory: Path) -> None:
    """Raises ArtifactMismatch on a model whose MLmodel packaging would not have written, naming the key."""
    file = directory / MLMODEL
    if file.stat().st_size > _MAX_BYTES:
        raise _wrong("is too large to be one")
    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, yaml.YAMLError) as fault:
        raise _wrong("cannot be read") from fault
    if not isinstance(said, dict) or not _flavors(said.get("flavors")):
        raise _wrong("has another flavor than 'python_function', or none")
    flavor = said["flavors"]["python_function"]
    if not isinstance(flavor, dict):
        raise _wrong("says nothing about 'python_function'")
    for key in _NEEDED:
        if key not in flavor:
            raise _wrong(f"has no {key!r}")
    _check_keys(said, _TOP)
    _check_keys(flavor, _FLAVOR)


def _check_keys(said: Mapping[Any, Any], known: Mapping[str, Check]) -> None:
    """A key without a value is as good as none to MLflow, which adds such keys over time."""
    for key, found in said.items():
        if found is None and key not in _NEEDED:
            continue
        if key not in known:
            raise _wrong(f"has {key!r}, which packaging does not write")
        if not known[key](found):
            raise _wrong(f"has {key}: {str(found)[:80]!r}, which is not what packaging writes")


def _wrong(what: str) -> ArtifactMismatch:
    return ArtifactMismatch(f"The model's file {MLMODEL!r} {what}.")
