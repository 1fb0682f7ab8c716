"""What other people's scripts rely on, as one JSON document: names, commands, exit codes, JSON, columns, tags, metrics.

    python -m tests.project.contracts FILE

records it anew. Only public names and commands are asked, so that it runs unchanged in the tree of another commit:
`PYTHONPATH=TREE python contracts.py FILE`. What differs from one machine or day to the next is left out. A dict may
get more keys later; a list is in order, and what its items say with a `=` may be left out by a caller.
"""

import contextlib
import dataclasses
import dis
import enum
import functools
import importlib
import inspect
import io
import json
import os
import re
import sys
import tempfile
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.conftest import forget_mlflow_state  # first, for it keeps MLflow and Spark off the network

# isort: split
import click
import mlflow
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pyspark.sql import SparkSession
from safetensors.torch import save_file

import jobs
from jobs.cli import cli, exit_code, main
from mlruns_fixture import LABELS, PLAIN, ColourNet
from mlruns_fixture.build import build
from pyfunc_models import Preprocess, Status
from registry import Gates, ModelVersion, Registry

PACKAGES = ("registry", "pyfunc_models", "pyfunc_models.packaging", "jobs")

Document = dict[str, Any]


def of_code() -> Document:
    """What can be read off the code."""
    return {
        "names": names(),
        "commands": commands(),
        "exit_codes_of_errors": exit_codes_of_errors(),
        "statuses": {status.value: status.name for status in Status},
        "preprocess": json.loads(Preprocess(resize=256, crop=(224, 224)).to_json()),
        # What spark-submit is given.
        "files": {"jobs/__main__.py": Path(jobs.__path__[0], "__main__.py").is_file()},
    }


def record(spark: SparkSession, folder: Path) -> Document:
    """All of it. `spark` is the active session; `folder` is empty, and gets a registry and what jobs write."""
    return {**of_code(), **Tour(spark, folder).take()}


# --- public names


def names() -> Document:
    """Package -> public name -> what it is."""
    return {
        package: {name: _described(thing) for name, thing in _public(package).items()} for package in PACKAGES
    }


def _public(package: str) -> dict[str, Any]:
    module = importlib.import_module(package)
    return {name: getattr(module, name) for name in module.__all__}


def public_classes() -> dict[str, type]:
    """`package.Name` -> class."""
    things = {f"{package}.{name}": thing for package in PACKAGES for name, thing in _public(package).items()}
    return {name: thing for name, thing in things.items() if isinstance(thing, type)}


def _described(thing: object) -> Document:
    if isinstance(thing, type):
        return _class(thing)
    if callable(thing):
        return {"is": "function", **_parameters(thing)}
    return {"is": type(thing).__name__}


def _class(cls: type) -> Document:
    said: Document = {
        "is": "class",
        "bases": dict.fromkeys(_bases(cls), True),
        "attributes": _attributes(cls),
    }
    if issubclass(cls, enum.Enum):
        said["members"] = {member.name: member.value for member in cls}
    elif dataclasses.is_dataclass(cls):
        said["fields"] = [_field(field) for field in dataclasses.fields(cls) if field.init]
    elif _is_ours(cls.__init__):
        said["made_from"] = _parameters(cls)
    return said


def _bases(cls: type) -> Iterator[str]:
    """What a script could catch or ask for: public classes and Python's own."""
    public = set(public_classes().values())
    for base in cls.__mro__[1:-1]:
        if base in public or base.__module__ in ("builtins", "enum"):
            yield base.__name__


def _field(field: "dataclasses.Field[Any]") -> str:
    name = f"{field.name} (by keyword)" if field.kw_only else field.name
    if field.default is not dataclasses.MISSING:
        return f"{name}={field.default!r}"
    return name if field.default_factory is dataclasses.MISSING else f"{name}=…"


def _attributes(cls: type) -> Document:
    """Public name -> `value`, a constant, or a method's parameters; also what `__init__` sets."""
    found: Document = {}
    for owner in reversed([base for base in cls.__mro__ if _is_ours(base)]):
        found |= {name: _attribute(owner, name, thing) for name, thing in vars(owner).items()}
        found |= dict.fromkeys(_set_by_init(owner), "value")
    members = getattr(cls, "__members__", {})
    return {name: said for name, said in found.items() if not name.startswith("_") and name not in members}


def _attribute(owner: type, name: str, thing: object) -> Any:
    if isinstance(thing, classmethod | staticmethod):
        return {**_parameters(getattr(owner, name)), "of": "the class"}
    if inspect.isfunction(thing):
        return {**_parameters(thing, skip=1), "of": "an instance"}
    in_objects = getattr(owner, "__dataclass_fields__", {})
    is_value = isinstance(thing, property | functools.cached_property) or inspect.ismemberdescriptor(thing)
    return "value" if is_value or name in in_objects else repr(thing)


def _set_by_init(cls: type) -> list[str]:
    init = vars(cls).get("__init__")
    if not inspect.isfunction(init):
        return []
    return [str(step.argval) for step in dis.get_instructions(init) if step.opname == "STORE_ATTR"]


def _is_ours(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "")).partition(".")[0] in PACKAGES


def _parameters(function: Callable[..., Any], skip: int = 0) -> Document:
    """Those that may be given by position, in order, `name=` where there is a default; and those by keyword alone."""
    positional: list[str] = []
    keyword: dict[str, str] = {}
    for parameter in list(inspect.signature(function).parameters.values())[skip:]:
        has_default = parameter.default is not parameter.empty
        match parameter.kind:
            case parameter.VAR_POSITIONAL:
                positional.append("*=")
            case parameter.VAR_KEYWORD:
                keyword |= _unpacked(function, parameter) or {"**": "optional"}
            case parameter.KEYWORD_ONLY:
                keyword[parameter.name] = "optional" if has_default else "required"
            case _:
                positional.append(f"{parameter.name}=" if has_default else parameter.name)
    return {"positional": positional, "keyword": keyword}


def _unpacked(function: Any, parameter: inspect.Parameter) -> dict[str, str]:
    """The keys of the TypedDict that `**more: Unpack[Conditions]` names."""
    annotation = parameter.annotation
    if isinstance(annotation, str):
        annotation = eval(annotation, function.__globals__)
    return {
        key: "required" if key in unpacked.__required_keys__ else "optional"
        for unpacked in typing.get_args(annotation)
        for key in unpacked.__annotations__
    }


# --- the command line


def commands() -> Document:
    """Command -> its arguments in order, and each spelling of its options."""
    return {"stagewright": _command(cli), **{name: _command(one) for name, one in cli.commands.items()}}


def _command(command: click.Command) -> Document:
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    options = [one for one in command.params if isinstance(one, click.Option)]
    return {
        "arguments": [f"{one.name}{'' if one.required else '='}" for one in arguments],
        "options": {
            spelling: _option(one) for one in options for spelling in (*one.opts, *one.secondary_opts)
        },
    }


def _option(option: click.Option) -> Document:
    return {
        "takes": "nothing" if option.is_flag else f"{option.nargs} value(s)",
        "repeated": option.multiple,
        "given": "required" if option.required else "optional",
        "default": repr(option.to_info_dict()["default"]),
    }


def exit_codes_of_errors() -> Document:
    """Public error -> exit code of a command that it ends; None for what would be a fault of our own."""
    errors: dict[str, type[Exception]] = {"ValueError": ValueError, "OSError": OSError}
    errors |= {name: cls for name, cls in public_classes().items() if issubclass(cls, Exception)}
    return {name: exit_code(cls.__new__(cls)) for name, cls in errors.items()}


# --- the shape of JSON

# Objects whose keys are data.
OPAQUE = {"tags", "by_status", "measured"}
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def shape(value: Any, name: str = "") -> Any:
    """A JSON value's type; with the keys of an object, and what the items of an array have in common."""
    if isinstance(value, dict):
        keys = {} if name in OPAQUE else {"keys": {key: shape(inner, key) for key, inner in value.items()}}
        return {"type": "object", **keys}
    if isinstance(value, list):
        items = _common(shape(item) for item in value)
        return {"type": "array", **({"items": items} if items else {})}
    return _TYPES[type(value)]


def _common(shapes: Iterable[Any]) -> Any:
    """One shape for all: every key that one of them has, every type that it has there. None of none."""
    common: Any = None
    for one in shapes:
        common = one if common in (None, one) else _both(common, one)
    return common


def _both(one: Any, other: Any) -> Any:
    pair = [said if isinstance(said, dict) else {"type": said} for said in (one, other)]
    both: Document = {"type": "|".join(sorted({word for said in pair for word in said["type"].split("|")}))}
    if keys := [said["keys"] for said in pair if "keys" in said]:
        both["keys"] = {
            key: _common(own[key] for own in keys if key in own) for key in {**keys[0], **keys[-1]}
        }
    if items := [said["items"] for said in pair if "items" in said]:
        both["items"] = _common(items)
    return both if len(both) > 1 else both["type"]


# --- what the commands do, on a registry that code makes

COLOURS, VECTORS = "models:/colours/1", "models:/vectors/1"
# HERE is the tour's folder.
PHOTOS, TO = ("--input", "HERE/registry/photos"), ("--output", "HERE/scored")
SAME_UDF = ("--top-k", "2")
LENIENT = ("--max-error-rate", "1")
LABELLED = ("--labels", "labels.csv", "--dataset", "shop")
REGISTER = (
    "--architecture", "mlruns_fixture.tiny:ColourNet", "--arg", "sharpness=3.0", "--weights", "weights.safetensors",
    "--resize", "40", "--crop", "32", "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5", "--transform", "exact",
)  # fmt: skip
WRONG = ("register", "vectors", *REGISTER)
SCORE = ("score", COLOURS, *PHOTOS, *TO)
# Every key of docs/gates.md, in two stages, for one has room for some twelve gates.
GATES = """
[Staging]
no_pickle = true
signed = true
public_keys = ["release.pub"]
schema = "additions"
tags = { owner = true, licence = "Apache-2.0" }
precisions = { min_agreement = 0.97, only = ["bf16"] }
evidence = [{ dataset = "shop", max_age_days = 30 }]

[Production]
comparisons = [{ dataset = "shop", min_agreement = 0.9, not_worse_p = 0.05, max_age_days = 30 }]

[[Production.metrics]]
metric = "top1"
dataset = "shop"
precision = "f32"
digest = "9f86d081"
threshold = 0.85
min_relative_change = 0.01

[[Production.metrics]]
metric = "ece"
dataset = "shop"
greater_is_better = false
min_absolute_change = 0.01
max_drop = 0.005
"""
GATED = ("promote", "colours", "2", "Production", "--gates", "release.toml")

# What a user may get wrong and what is refused, after the tour: what to call it, and the command.
MISTAKES: dict[str, tuple[str, ...]] = {
    "no command": (),
    "help": ("--help",),
    "help of a command": ("score", "-h"),
    "version": ("--version",),
    "unknown command": ("no-such-command",),
    "unknown option": ("versions", "colours", "--no-such-option"),
    "missing argument": ("versions",),
    "missing option": ("score", COLOURS),
    "unknown model": ("versions", "nobody"),
    "unknown model in a URI": ("resolve", "models:/nobody/Production"),
    "unknown version": ("resolve", "models:/colours/99"),
    "unknown alias": ("resolve", "models:/colours@nobody"),
    "empty stage": ("resolve", "models:/vectors/Production"),
    "no URI": ("resolve", "colours"),
    "a time that is none": ("history", "colours", "--at", "yesterday"),
    "wrong stage": ("promote", "colours", "2", "Prod"),
    "unknown version to promote": ("promote", "colours", "99", "Staging"),
    "version that is no number": ("promote", "colours", "two", "Staging"),
    "expectation that is none": ("promote", "colours", "2", "Staging", "--expect", "x"),
    "expectation that fails": ("promote", "colours", "2", "Staging", "--expect", "99"),
    "gate refused": GATED,
    "gate overridden without a reason": (*GATED, "--force"),
    "gates that are not there": ("promote", "colours", "2", "Production", "--gates", "absent.toml"),
    "gates that are none": ("promote", "colours", "2", "Production", "--gates", "labels.csv"),
    "nothing to roll back": ("rollback", "vectors", "Production"),
    "rollback of a wrong stage": ("rollback", "colours", "Prod"),
    "signature missing": ("verify", "models:/colours/2", "--public-key", "release.pub"),
    "key that is not there": ("sign", COLOURS, "--private-key", "absent.pem"),
    "key's password not set": ("sign", COLOURS, "--private-key", "release.pem", "--password-env", "NO_SUCH_NAME"),
    "policy that contradicts itself": ("policy", "colours", "--clear", "--refuse", "pickled"),
    "policy of half a rule": ("policy", "colours", "--require-signature"),
    "policy that refuses the unknown": ("policy", "colours", "--refuse", "everything"),
    "policy that names a wrong stage": ("policy", "colours", "--only-stage", "Archived"),
    "architecture that is none": (*WRONG, "--architecture", "nonsense"),
    "architecture's argument unknown": (*WRONG, "--arg", "colour=red"),
    "weights that are not there": (*WRONG, "--weights", "absent.pt"),
    "weights that are none": (*WRONG, "--weights", "release.toml"),
    "labels that are not there": (*WRONG, "--labels", "absent.txt"),
    "mean that is none": (*WRONG, "--mean", "0.5"),
    "size that is no number": (*WRONG, "--resize", "big"),
    "interpolation unknown": (*WRONG, "--interpolation", "cubic"),
    "kind unknown": (*WRONG, "--kind", "no-such-kind"),
    "precision unknown": (*WRONG, "--precision", "fp8"),
    "precision not measured": (*WRONG, "--precision", "bf16"),
    "decoding unknown": (*WRONG, "--decode", "half"),
    "transform unknown": (*WRONG, "--transform", "no-such-transform"),
    "agreement out of range": (*WRONG, "--min-agreement", "2"),
    "tag that is none": (*WRONG, "--tag", "team"),
    "tag of ours": (*WRONG, "--tag", "stagewright.kind=x"),
    "name that MLflow cannot load": ("register", "a/b", *REGISTER),
    "unknown model to score with": ("score", "models:/nobody/1", *PHOTOS, *TO),
    "negative batch size": (*SCORE, "--batch-size", "-1"),
    "top-k of none": (*SCORE, "--top-k", "0"),
    "error rate out of range": (*SCORE, "--max-error-rate", "1.5"),
    "precision not registered": (*SCORE, "--precision", "bf16"),
    "decoding not registered": (*SCORE, "--decode", "reduced"),
    "transform not known to score": (*SCORE, "--transform", "no-such-transform"),
    "setting that is none": (*SCORE, "--conf", "spark.task.cpus"),
    "photos that are not there": ("score", COLOURS, "--input", "HERE/absent", *TO),
    "folder without photos": ("score", COLOURS, "--input", "HERE/empty", *TO),
    "input format unknown": (*SCORE, "--input-format", "no-such-format"),
    "table unknown": ("score", COLOURS, "--input", "no_such_table", "--input-format", "table", *TO),
    "column missing": (*SCORE, "--content-column", "absent"),
    "column that is not binary": (*SCORE, "--content-column", "path"),
    "column to keep missing": (*SCORE, "--keep", "absent"),
    "output that exists": ("score", COLOURS, *PHOTOS, "--output", "HERE/registry"),
    "output format unknown": (*SCORE, *SAME_UDF, "--output-format", "no-such-format"),
    "more faults than allowed": ("score", COLOURS, *PHOTOS, "--output", "HERE/failed", *SAME_UDF, "--json"),
    "labels missing": ("evaluate", COLOURS, "--images", "HERE/registry/photos", "--labels", "absent.csv"),
    "photos to evaluate missing": ("evaluate", COLOURS, "--images", "HERE/absent", "--labels", "labels.csv"),
    "evaluation of an embedder": ("evaluate", VECTORS, "--images", "HERE/registry/photos", *LABELLED),
    "comparison of two kinds": ("compare", COLOURS, VECTORS, *PHOTOS, "--output", "HERE/kinds"),
    "comparison into what exists": ("compare", COLOURS, "models:/colours/2", *PHOTOS, "--output", "HERE/registry"),
    "Production left for Staging": ("promote", "colours", "1", "Staging"),
    "Production left for the archive": ("promote", "colours", "1", "Archived"),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str


def ran(*arguments: str) -> Ran:
    """Run a command in this process, and in the current folder; Spark's JVM may have another one."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([argument.replace("HERE", str(Path.cwd())) for argument in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


def done(*arguments: str) -> str:
    """What a command that must succeed prints."""
    ended = ran(*arguments)
    assert ended.code == 0, f"stagewright {' '.join(arguments)}: exit code {ended.code}: {ended.err}"
    return ended.out


def document(*arguments: str) -> Any:
    """The JSON of a command that must succeed."""
    return json.loads(done(*arguments, "--json"))


class Tour:
    """The commands on a registry of their own; every step finds what the steps before it left."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self._spark = spark
        self._folder = folder

    def take(self) -> Document:
        """The documents' shapes, the columns, the tags and metrics, and the exit codes."""
        self._lay_out()
        with self._here():
            steps = [*self._registering(), *self._moving(), *self._running()]
            found = {
                "columns": self._columns(),
                "models": {name: _model(Registry().resolve(uri)) for name, uri in _KINDS.items()},
                "gates": _gates(),
                "tags_and_metrics": _tags_and_metrics(),
            }
            ended = {name: ran(*arguments) for name, arguments in MISTAKES.items()}
        told = [(name, json.loads(ended[name].out)) for name in ended if "--json" in MISTAKES[name]]
        return {
            **found,
            "documents": {name: shape(said) for name, said in [*steps, *told]},
            "exit_codes": {name: one.code for name, one in ended.items()},
        }

    def _lay_out(self) -> None:
        """The registry with versions 1 and 2 of `colours`, and the files that the commands ask for."""
        build(self._folder / "registry")
        (self._folder / "empty").mkdir()
        # Takes red for green and green for red, so that it disagrees with the others.
        state = {name: value[[1, 0, 2, 3]] for name, value in ColourNet(3.0).state_dict().items()}
        save_file(state, self._folder / "weights.safetensors")
        (self._folder / "labels.txt").write_text("\n".join(LABELS))
        truth = [f"{name},{LABELS.index(name.partition('-')[0])}" for name in PLAIN]
        (self._folder / "labels.csv").write_text("\n".join(["file,class_index", *truth]))
        (self._folder / "release.toml").write_text(GATES)
        _write_keys(self._folder)

    @contextlib.contextmanager
    def _here(self) -> Iterator[None]:
        """In the folder, with its registry as MLflow's."""
        names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
        before, path = {name: os.environ.pop(name) for name in names if name in os.environ}, list(sys.path)
        forget_mlflow_state()
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{self._folder / 'registry' / 'mlflow.db'}"
        try:
            with contextlib.chdir(self._folder):
                yield
        finally:
            del os.environ["MLFLOW_TRACKING_URI"]
            os.environ.update(before)
            sys.path[:] = path  # `register` adds the current folder
            forget_mlflow_state()

    def _registering(self) -> Iterator[tuple[str, Any]]:
        register = ("register", "colours", *REGISTER, "--labels", "labels.txt")
        assert done(*register, "--tag", "team=shop") == "models:/colours/3\n"
        yield "register", document("register", "vectors", *REGISTER, "--kind", "embedder")
        yield "sign", document("sign", COLOURS, "--private-key", "release.pem")
        yield "verify", document("verify", COLOURS, "--public-key", "release.pub")
        yield "policy that refuses nothing", document("policy", "colours")
        rules = ("--refuse", "pickled", "--require-signature", "--public-key", "release.pub")
        yield "policy", document("policy", "vectors", *rules, "--only-stage", "Production")
        done("policy", "vectors", "--clear")

    def _moving(self) -> Iterator[tuple[str, Any]]:
        assert ran(*GATED).code == 1
        done(*GATED, "--force", "--because", "try it")
        done("rollback", "colours", "Production", "--because", "too sharp")
        done("promote", "colours", "2", "Staging", "--expect", "none")
        done("promote", "vectors", "1", "Archived")
        events = [*document("history", "colours"), *document("history", "vectors")]
        for kind in sorted({event["kind"] for event in events}):
            yield f"history: {kind}", [event for event in events if event["kind"] == kind]
        yield "history --at", document("history", "colours", "--at", "2999-01-01")
        yield "history --at, before all", document("history", "colours", "--at", "2000-01-01T00:00+01:00")
        yield "versions", document("versions", "colours")
        assert done("resolve", "models:/vectors/latest") == f"{VECTORS}\n"
        yield "resolve", document("resolve", "models:/vectors/latest")
        # Its exit code says what this machine lacks.
        yield "doctor", {one["subject"]: one for one in json.loads(ran("doctor", "--json").out)}

    def _running(self) -> Iterator[tuple[str, Any]]:
        score = ("score", COLOURS, *PHOTOS, "--output", "HERE/predictions", *SAME_UDF, "--transform", "exact")
        yield "score", document(*score, *LENIENT)
        photos = ("--images", "HERE/registry/photos")
        yield "evaluate", document("evaluate", COLOURS, *photos, *LABELLED, "--transform", "exact")
        both = ("compare", COLOURS, "models:/colours/3", *PHOTOS)
        yield "compare", document(*both, "--output", "HERE/compared", *LABELLED)

    def _columns(self) -> Document:
        photos = jobs.read(self._spark, jobs.Source(str(self._folder / "registry/photos")))
        frames = {"photos": photos}
        frames |= {f"score, {kind}": jobs.score(photos, uri) for kind, uri in _KINDS.items()}
        for written in ("predictions", "compared"):
            frames[f"{written}, as written"] = self._spark.read.parquet(str(self._folder / written))
        return {name: frame.schema.simpleString() for name, frame in frames.items()}


_KINDS = {"classifier": COLOURS, "embedder": VECTORS}


def _write_keys(folder: Path) -> None:
    """release.pem and release.pub."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem, unlocked = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "release.pem").write_bytes(
        private.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, unlocked)
    )
    public = private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "release.pub").write_bytes(public)


# --- what is found in the registry afterwards

# What a part of a key is, where it is data.
_DATA = {
    r"[0-9a-f]{64}": "FINGERPRINT",
    r"\bshop\b": "DATASET",
    r"(?<=\.comparison\.)\d+": "VERSION",
}


def _model(version: ModelVersion) -> Document:
    """What `mlflow.pyfunc` says of a version: inputs in order, outputs and params by their names."""
    schema = json.loads(str(version.schema))
    inputs = [f"{one['name']}: {one['type']}{'' if one.get('required') else '='}" for one in schema["inputs"]]
    return {"inputs": inputs, "outputs": _types(schema["outputs"]), "params": _types(schema["params"])}


def _types(columns: list[Document]) -> Document:
    kept = ("type", "items", "default")
    return {column["name"]: {key: column[key] for key in kept if key in column} for column in columns}


def _gates() -> Document:
    """What each gate is called in the ledger."""
    current, candidate, *_ = Registry().versions("colours")
    judges = [Gates.load("release.toml").of(stage) for stage in ("Staging", "Production")]
    verdicts = [verdict for judge in judges for verdict in judge.judge(candidate, current)]
    return {verdict.gate: shape(verdict.document()) for verdict in verdicts}


def _tags_and_metrics() -> Document:
    """Of versions and of jobs' runs: the keys, data in them replaced by what it is."""
    registry = Registry()
    found: Document = {}
    for uri in (COLOURS, "models:/colours/3", VECTORS):
        version = registry.resolve(uri)
        found[uri] = {"tags": _keys(version.tags)}
        for run in registry.jobs_of(version):
            said = found.setdefault(run.name, {"tags": {}, "metrics": {}, "params": {}})
            for part, data in (("tags", run.tags), ("metrics", run.metrics), ("params", run.params)):
                said[part] |= _keys(data)
            said["experiment"] = mlflow.get_experiment(run.experiment_id).name
    return found


def _keys(data: Mapping[str, object]) -> dict[str, bool]:
    keys = set(data)
    for pattern, word in _DATA.items():
        keys = {re.sub(pattern, word, key) for key in keys}
    return dict.fromkeys(keys, True)


def _main(file: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(sys.stderr):
        folder = Path(scratch).resolve()
        settings = {"spark.sql.warehouse.dir": str(folder / "warehouse")}
        spark = jobs.open_session("local[2]", settings)
        recorded = record(spark, folder)
        spark.stop()
    file.write_text(json.dumps(recorded, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
