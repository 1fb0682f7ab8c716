"""Which room may import which, and the few things that only one file may do."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("registry", "pyfunc_models", "jobs")
FILES = sorted(path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))

# What a room must not import, by the beginning of the module's name.
FORBIDDEN = {
    "registry": {"torch", "torchvision", "openvino", "PIL", "pyspark", "pyfunc_models", "jobs"},
    "pyfunc_models": {"pyspark", "registry", "jobs"},
    "jobs": set[str](),
}
JOBS_MAY_IMPORT_OF_PYFUNC_MODELS = {
    "pyfunc_models",
    "pyfunc_models.packaging",
    "pyfunc_models.pairs.packing",
    "pyfunc_models.foreign.packing",
    "pyfunc_models.requirements",
}
# Runs as a script, outside of any package, so a relative import has nothing to be relative to.
ENTRYPOINT = Path("pyfunc_models/packaging/entrypoint.py")
# The one file that reaches through a session into Spark's JVM, and what that looks like.
JVM_FILE = Path("jobs/spark/jvm.py")
JVM = {"_jvm", "_jsparkSession", "_jdf", "_jsc", "_gateway"}

# Which of its neighbours a room inside a package may import. Files that lie beside the rooms are everybody's, but for
# those named here, which stand above or between the rooms.
WITHIN: dict[str, dict[str, set[str]]] = {
    "pyfunc_models": {
        "photos": set(),
        "transforms": {"photos"},
        "engines": set(),
        "worker": {"photos", "transforms", "engines"},
        "kinds": {"engines", "worker"},
        "carried": {"worker"},
        "requirements": set(),
        "foreign": {"requirements"},
        "pairs": {"photos", "transforms", "engines", "worker", "carried", "requirements"},
        "packaging": {"photos", "transforms", "engines", "worker", "kinds", "carried", "requirements"},
    },
    "registry": {
        "client": set(),
        "ledger": {"client", "trust"},
        "trust": {"client", "resolution"},
        "hooks": {"client", "ledger"},
        "gates": {"client", "trust", "hooks"},
        "registration": {"client", "ledger", "trust"},
        "resolution": {"client"},
        "facade": {"client", "ledger", "trust", "hooks", "gates", "registration", "resolution"},
    },
    "jobs": {
        "spark": set(),
        "addresses": set(),
        "reporting": set(),
        "scoring": {"spark", "addresses", "reporting"},
        "evaluation": {"spark", "reporting", "scoring"},
        "comparison": {"spark", "reporting", "scoring", "evaluation"},
        "pretrained": set(),
        "reports": {"reporting", "scoring", "evaluation", "comparison"},
        "registering": {"pretrained"},
        "differing": set(),
        "doctor": {"spark"},
        "trial": {"spark", "scoring", "doctor"},
        "demo": {"spark", "scoring", "registering"},
        "cli": {
            "spark",
            "reporting",
            "scoring",
            "evaluation",
            "comparison",
            "reports",
            "registering",
            "differing",
            "doctor",
            "trial",
            "demo",
        },
    },
}


@dataclass(frozen=True)
class Import:
    """One imported module: absolute, with the names taken from it."""

    module: str
    names: tuple[str, ...]
    line: int
    relative: bool = False

    @property
    def root(self) -> str:
        return self.module.partition(".")[0]


# --- reading a file


def imports(tree: ast.Module, path: Path) -> Iterator[Import]:
    """Every import in the file, wherever it stands, also the dynamic ones whose name is a literal."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    yield Import(alias.name, (), node.lineno)
            case ast.ImportFrom(level=level):
                module = _absolute(path, level, node.module)
                yield Import(module, tuple(alias.name for alias in node.names), node.lineno, level > 0)
            case ast.Call(args=[ast.Constant(value=str(module)), *_]) if _imports(node.func):
                yield Import(module, (), node.lineno)


def _absolute(path: Path, level: int, module: str | None) -> str:
    """`from ..x import y` in a/b/c.py -> `a.x`; out of the top package -> a name that starts with a dot."""
    if level == 0:
        return module or ""
    package = path.parent.parts
    if level > len(package):
        return "." * level + (module or "")
    return ".".join([*package[: len(package) - level + 1], *([module] if module else [])])


def _imports(function: ast.expr) -> bool:
    return _called_name(function) in {"import_module", "__import__", "find_spec", "run_module"}


def _called_name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _strings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every string literal that the program can see, parts of f-strings included; no docstring."""
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value, node.lineno


# --- the rules


def violations(path: Path, source: str) -> list[str]:
    """What the file does that its place forbids: `line N: …`, empty if all is well. `path` is relative."""
    tree = ast.parse(source)
    found = [
        *((line, why) for imported in imports(tree, path) for line, why in _wrong_import(path, imported)),
        *_wrong_strings(path, tree),
        *_wrong_prints(path, tree),
        *_wrong_attributes(path, tree),
    ]
    return [f"line {line}: {why}" for line, why in sorted(found)]


def _wrong_import(path: Path, imported: Import) -> Iterator[tuple[int, str]]:
    room = path.parts[0]
    # `from . import x` and `from pyfunc_models import x` may mean the module x.
    modules = {imported.module, *(f"{imported.module}.{name}" for name in imported.names)}
    if imported.module.startswith("."):
        yield imported.line, "a relative import leaves the top package"
    if imported.root in FORBIDDEN[room]:
        yield imported.line, f"{room} must not import {imported.module}"
    if room == "pyfunc_models" and imported.root == room and not imported.relative and path != ENTRYPOINT:
        yield imported.line, f"pyfunc_models travels under another name: import {imported.module} relatively"
    for other in _neighbours(path, modules):
        yield imported.line, f"{room}/{path.parts[1]} must not import {room}/{other}"
    if room == "registry" and imported.root == "mlflow" and path.parts[1] != "client":
        yield imported.line, "only registry/client talks to MLflow"
    if room == "jobs" and imported.root == "pyfunc_models" and not _exported(imported, modules):
        yield imported.line, f"jobs may import pyfunc_models.packaging only, not {imported.module}"


def _neighbours(path: Path, modules: set[str]) -> list[str]:
    """The rooms of its own package that a file imports and may not."""
    package = path.parts[0]
    rooms = WITHIN[package]
    own = path.with_suffix("").parts[1]
    imported = {module.split(".")[1] for module in modules if module.startswith(f"{package}.")} & set(rooms)
    allowed = rooms.get(own, set())
    return sorted(imported - allowed - {own}) if own not in ("__init__", "__main__") else []


def _exported(imported: Import, modules: set[str]) -> bool:
    if imported.module not in JOBS_MAY_IMPORT_OF_PYFUNC_MODELS:
        return False
    inner = {module for module in modules if _is_module(module)}
    return inner <= JOBS_MAY_IMPORT_OF_PYFUNC_MODELS


def _is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def _wrong_strings(path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    if path.parts[0] == "registry" and path != Path("registry/tags.py"):
        for text, line in _strings(tree):
            if text.startswith("stagewright.") and not text.endswith(".json"):  # those are files' names
                yield line, f"only registry/tags.py spells a tag: {text!r}"


def _wrong_attributes(path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in JVM and path != JVM_FILE:
            yield node.lineno, f"only {JVM_FILE} reaches into Spark's JVM: {node.attr}"


def _wrong_prints(path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    if path.parts[:2] == ("jobs", "cli"):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="print" | "echo" | "secho" as name)):
                yield node.lineno, f"only jobs/cli prints: {name}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="click"), attr="echo" | "secho" as name)):
                yield node.lineno, f"only jobs/cli prints: click.{name}"


# --- the house


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_file_keeps_to_its_room(path: Path) -> None:
    assert violations(path, (ROOT / path).read_text()) == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_read(room: str) -> None:
    assert any(path.parts[0] == room for path in FILES)


# --- the checker

WRONG = [
    ("registry/uri.py", "import torch", "registry must not import torch"),
    ("registry/uri.py", "import torch.nn as nn", "registry must not import torch.nn"),
    ("registry/uri.py", "from pyspark.sql import DataFrame", "must not import pyspark.sql"),
    ("registry/gates/gate.py", "def f():\n    import jobs.cli", "registry must not import jobs.cli"),
    (
        "registry/gates/gate.py",
        "if TYPE_CHECKING:\n    from pyfunc_models import x",
        "must not import pyfunc_models",
    ),
    ("registry/gates/gate.py", "from mlflow import MlflowClient", "only registry/client talks to MLflow"),
    (
        "registry/gates/gate.py",
        "def f():\n    import mlflow.entities",
        "only registry/client talks to MLflow",
    ),
    ("registry/gates/gate.py", "from ... import jobs", "leaves the top package"),
    ("registry/gates/gate.py", "TAG = 'stagewright.kind'", "only registry/tags.py spells a tag"),
    (
        "registry/gates/gate.py",
        "def f(k):\n    return f'stagewright.{k}'",
        "only registry/tags.py spells a tag",
    ),
    ("registry/gates/gate.py", "def f():\n    print(1)", "only jobs/cli prints"),
    (
        "pyfunc_models/photos/decode.py",
        "import importlib\nimportlib.import_module('registry')",
        "import registry",
    ),
    ("pyfunc_models/photos/decode.py", "m = __import__('jobs.report')", "must not import jobs.report"),
    (
        "pyfunc_models/engines/device.py",
        "try:\n    import pyspark\nexcept ImportError: ...",
        "must not import pyspark",
    ),
    (
        "pyfunc_models/photos/decode.py",
        "from pyfunc_models.device import threads",
        "import pyfunc_models.device rel",
    ),
    ("pyfunc_models/photos/decode.py", "import pyfunc_models", "travels under another name"),
    ("pyfunc_models/packaging/entrypoint.py", "import registry", "must not import registry"),
    ("pyfunc_models/engines/torch.py", "from ...registry import tags", "leaves the top package"),
    (
        "pyfunc_models/photos/decode.py",
        "from ..transforms import resample",
        "photos must not import pyfunc_models/transforms",
    ),
    (
        "pyfunc_models/worker/pipeline.py",
        "def f():\n    from .. import kinds",
        "worker must not import pyfunc_models/kinds",
    ),
    (
        "registry/ledger/chain.py",
        "from registry.gates.gate import Gate",
        "ledger must not import registry/gates",
    ),
    ("registry/tags.py", "from registry.client import Client", "must not import registry/client"),
    ("jobs/spark/workers.py", "from ..scoring import udf", "spark must not import jobs/scoring"),
    ("jobs/errors.py", "from .scoring.report import ScoreReport", "must not import jobs/scoring"),
    ("jobs/scoring/udf.py", "def f(spark):\n    return spark._jvm", "reaches into Spark's JVM: _jvm"),
    ("jobs/scoring/udf.py", "from pyfunc_models.decode import decode", "not pyfunc_models.decode"),
    ("jobs/scoring/udf.py", "import pyfunc_models.engines", "not pyfunc_models.engines"),
    ("jobs/scoring/udf.py", "from pyfunc_models import engines", "pyfunc_models.packaging only"),
    (
        "jobs/scoring/udf.py",
        "class A:\n    def f(self):\n        import pyfunc_models.device",
        "packaging only",
    ),
    ("jobs/scoring/report.py", "import click\nclick.echo('done')", "only jobs/cli prints: click.echo"),
    ("jobs/scoring/report.py", "from click import echo\necho('done')", "only jobs/cli prints: echo"),
]
RIGHT = [
    (
        "registry/client/client.py",
        "from mlflow import MlflowClient\nfrom ..tags import KIND\nfrom . import faults",
    ),
    ("registry/tags.py", "KIND = 'stagewright.kind'"),
    ("registry/trust/packaged.py", "DESCRIPTION = 'stagewright.json'"),
    ("pyfunc_models/packaging/entrypoint.py", "from pyfunc_models.kinds.classifier import MODEL"),
    ("registry/gates/gate.py", '"""`stagewright.kind` is spelt elsewhere."""\nimport hashlib, numpy'),
    ("pyfunc_models/engines/torch.py", "import torch\nfrom .device import threads\nfrom . import base"),
    ("pyfunc_models/packaging/packer.py", "import mlflow\nfrom importlib import resources"),
    ("jobs/cli/looking.py", "import click\nfrom registry import Registry\nclick.echo('done')\nprint('done')"),
    (
        "jobs/scoring/udf.py",
        "from pyfunc_models import package\nfrom pyfunc_models.packaging import package as p",
    ),
    (
        "jobs/scoring/udf.py",
        "import registry.uri\nfrom pyspark.sql import DataFrame\nfrom ..spark.session import start",
    ),
]


@pytest.mark.parametrize(("path", "source", "why"), WRONG)
def test_a_wrong_arrow_is_found(path: str, source: str, why: str) -> None:
    [violation] = violations(Path(path), source)

    assert why in violation


@pytest.mark.parametrize(("path", "source"), RIGHT)
def test_a_right_arrow_is_let_through(path: str, source: str) -> None:
    assert violations(Path(path), source) == []
