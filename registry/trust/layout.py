"""The files of a packaged model: exactly those that packaging writes, each of which is known to be harmless or is run.

What is run is the entry point, whose text is fixed, and the wrapper below `code`, whose folder's name is the digest
of its files. Nothing here says that the wrapper is an honest one: only a signature by somebody who is trusted does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from registry.errors import ArtifactMismatch
from registry.trust import digests, mlmodel, program

ENTRYPOINT = "entrypoint.py"
REQUIREMENTS = "requirements.txt"
_NEEDED = frozenset(
    {
        mlmodel.MLMODEL,
        ENTRYPOINT,
        "stagewright.json",
        digests.PROGRAM,
        digests.GRAPH,
        f"{digests.ARTIFACTS}/model.bin",
        f"{digests.ARTIFACTS}/preprocess.json",
    }
)
_ALLOWED = _NEEDED | {
    "conda.yaml",
    "python_env.yaml",
    REQUIREMENTS,
    "requirements-gpu.txt",
    digests.LABELS,
    digests.CALLABLES,
    digests.INT8_GRAPH,
    digests.SELF_TEST,
    digests.SETTINGS,
    f"{digests.ARTIFACTS}/model-int8.bin",
}
_CODE = re.compile(
    r"code/(pyfunc_models_[0-9a-f]{16})/(?:[A-Za-z_][A-Za-z0-9_]*/)*[A-Za-z_][A-Za-z0-9_]*\.py"
)
_KIND = re.compile(r"[a-z][a-z0-9_]*")
# The text of pyfunc_models/packaging/entrypoint.py, as packaging fills it in.
_SCRIPT = '''"""Models-from-code script of kind {kind}; packaging writes in the model's own wrapper and kind."""

from mlflow.models import set_model

from {wrapper}.kinds.{kind} import MODEL

set_model(MODEL())
'''
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9A-Za-z.+!_-]+")
_PYTHON = re.compile(r"python=[0-9.]+|pip(?:[<=>]=?[0-9.]+)?")
_MAX_TEXT = 1 << 20
_MAX_SELF_TEST = 16 << 20


def check(directory: Path, listed: Mapping[str, str], kind: object) -> None:
    """Hold a model directory, verified against the manifest whose lines are `listed`, to its layout.

    Raises ArtifactMismatch, which names the file.
    """
    _check_names(listed)
    _check_wrapper(listed)
    _check_script(directory, listed, kind)
    mlmodel.check(directory)
    _check_environment(directory, listed)
    _check_self_test(directory, listed)
    program.check(directory / digests.PROGRAM, digests.PROGRAM)


def _check_names(listed: Iterable[str]) -> None:
    names = set(listed)
    for name in sorted(_NEEDED - names):
        raise _wrong(name, "is missing")
    wrappers = set()
    for name in sorted(names - _ALLOWED):
        found = _CODE.fullmatch(name)
        if found is None:
            raise _wrong(name, "is none that packaging writes")
        wrappers.add(found[1])
    if len(wrappers) != 1:
        raise _wrong(
            digests.CODE, f"must hold one wrapper, pyfunc_models_<digest>, and holds {sorted(wrappers)}"
        )
    if (digests.INT8_GRAPH in names) != (f"{digests.ARTIFACTS}/model-int8.bin" in names):
        raise _wrong(digests.INT8_GRAPH, "and its weights are not both there")


def _check_wrapper(listed: Mapping[str, str]) -> None:
    name = digests.wrapper(listed)
    computed = digests.code_digest(listed)[: digests.NAME_DIGITS]
    if name.rpartition("_")[2] != computed:
        raise _wrong(
            f"{digests.CODE}/{name}", f"holds other code than its name says: its digest is {computed}"
        )


def _check_script(directory: Path, listed: Mapping[str, str], kind: object) -> None:
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise ArtifactMismatch(f"The model claims to be of kind {kind!r}, which is no name of one.")
    name = digests.wrapper(listed)
    if f"{digests.CODE}/{name}/kinds/{kind}.py" not in listed:
        raise ArtifactMismatch(
            f"The model claims to be of kind {kind!r}, of which its wrapper {name} knows nothing."
        )
    if _text(directory, ENTRYPOINT) != _SCRIPT.format(wrapper=name, kind=kind):
        raise _wrong(ENTRYPOINT, f"is not the script that packaging writes for {name} and kind {kind!r}")


def _check_self_test(directory: Path, listed: Iterable[str]) -> None:
    """Data of a known size: workers read it whole."""
    if digests.SELF_TEST in set(listed) and (directory / digests.SELF_TEST).stat().st_size > _MAX_SELF_TEST:
        raise _wrong(digests.SELF_TEST, "is too large")


def _check_environment(directory: Path, listed: Iterable[str]) -> None:
    """Nothing that pip or conda would take for an order: an index, a file, an address."""
    checks: dict[str, Callable[[str], bool]] = {
        REQUIREMENTS: lambda text: _pinned(text.splitlines()),
        "requirements-gpu.txt": lambda text: _pinned(_after_the_others(text)),
        "conda.yaml": lambda text: _conda(yaml.safe_load(text)),
        "python_env.yaml": lambda text: _python_env(yaml.safe_load(text)),
    }
    for name in sorted(checks.keys() & set(listed)):
        try:
            good = checks[name](_text(directory, name))
        except (TypeError, RecursionError, yaml.YAMLError):
            good = False
        if not good:
            raise _wrong(name, "asks for more than pinned packages")


def _after_the_others(text: str) -> list[str]:
    lines = text.splitlines()
    return lines[1:] if lines[:1] == [f"-r {REQUIREMENTS}"] else lines


def _pinned(lines: Iterable[Any]) -> bool:
    return all(isinstance(line, str) and _REQUIREMENT.fullmatch(line) for line in lines)


def _conda(said: Any) -> bool:
    if not isinstance(said, dict) or not said.keys() <= {"name", "channels", "dependencies"}:
        return False
    plain = [each for each in said["dependencies"] if not isinstance(each, dict)]
    nested = [each for each in said["dependencies"] if isinstance(each, dict)]
    return (
        said.get("channels") in (["conda-forge"], ["defaults"])
        and all(isinstance(each, str) and _PYTHON.fullmatch(each) for each in plain)
        and all(each.keys() == {"pip"} and _pinned(each["pip"]) for each in nested)
    )


def _python_env(said: Any) -> bool:
    if not isinstance(said, dict) or not said.keys() <= {"python", "build_dependencies", "dependencies"}:
        return False
    tools = [
        each for each in said.get("build_dependencies", []) if each not in ("pip", "setuptools", "wheel")
    ]
    return _pinned(tools) and said.get("dependencies") == [f"-r {REQUIREMENTS}"]


def _text(directory: Path, name: str) -> str:
    file = directory / name
    if file.stat().st_size > _MAX_TEXT:
        raise _wrong(name, "is too large")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise _wrong(name, "is no text") from None


def _wrong(name: str, what: str) -> ArtifactMismatch:
    return ArtifactMismatch(f"The model's file {name!r} {what}.")
