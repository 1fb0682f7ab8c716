"""A model directory is what packaging writes, or it is refused: each door here was once open."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from registry import ArtifactMismatch, InvalidPackage, Policy, Registry, tags
from registry.trust import layout, program
from registry.trust.archive import check_pickle
from registry.trust.digests import graph_digest
from registry.trust.graph import check_graph
from registry.trust.packaged import PackagedModel

from .conftest import PackageMaker, describe, sha256, write_description
from .test_artifacts import stored

Change = Callable[[dict[str, Any]], object]


def redescribed(directory: Path) -> Path:
    """As an attacker would leave a directory: every digest in it right."""
    said = json.loads((directory / "stagewright.json").read_text())
    said.pop("digests")
    said.pop("model_digest")
    return write_description(directory, describe(directory, **said))


def refused(directory: Path) -> str:
    with pytest.raises(InvalidPackage) as told:
        PackagedModel.read(directory)
    return told.value.message


def test_what_packaging_wrote_is_taken(package: PackageMaker, old_package: Path) -> None:
    assert PackagedModel.read(old_package).pickled == ()
    assert PackagedModel.read(package(pickled=["transform"])).pickled == ("transform",)
    assert PackagedModel.read(package(kind="embedder")).kind == "embedder"


# --- files


@pytest.mark.parametrize(
    "name",
    [
        "python_model.pkl",
        "sitecustomize.py",
        "code/mlflow/__init__.py",
        "code/pyfunc_models_0123456789abcdef/__init__.py",
        "artifacts/model/callables.py",
        "artifacts/model/model.pt2.bak",
        "artifacts/other/model.bin",
        "input_example.json",
    ],
)
def test_a_file_that_packaging_does_not_write_is_refused_by_name(package: PackageMaker, name: str) -> None:
    directory = package()
    (directory / name).parent.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(pickle.dumps(print))
    said = refused(write_description(directory, describe(package())))
    assert f"'{name}' is none that packaging writes" in said or "must hold one wrapper" in said


@pytest.mark.parametrize("name", ["so.so", "kinds/classifier.pyc", "a b.py", "data.json"])
def test_the_wrapper_holds_python_files_and_nothing_else(package: PackageMaker, name: str) -> None:
    directory = package()
    [wrapper] = (directory / "code").iterdir()
    (wrapper / name).write_text("")
    assert f"{name}' is none that packaging writes" in refused(redescribed(directory))


def test_the_wrapper_is_the_one_that_its_name_says(package: PackageMaker) -> None:
    directory = package()
    [script] = (directory / "code").rglob("kinds/classifier.py")
    script.write_text(script.read_text() + "\nimport os\n")
    assert "holds other code than its name says" in refused(redescribed(directory))


def test_the_entry_point_is_packagings_script(package: PackageMaker) -> None:
    directory = package()
    script = directory / "entrypoint.py"
    script.write_text("import os\n" + script.read_text())
    assert "'entrypoint.py' is not the script" in refused(redescribed(directory))


def test_the_script_that_packaging_fills_in_is_the_one_that_is_asked_for() -> None:
    here = Path(__file__).parents[2] / "pyfunc_models" / "packaging" / "entrypoint.py"
    text = (
        here.read_text()
        .replace("pyfunc_models.kinds.classifier", "W.kinds.k")
        .replace("a classifier", "kind k")
    )
    assert layout._SCRIPT.format(wrapper="W", kind="k") == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "mlflow==3.17.2\n--index-url https://example.org\n"),
        ("requirements.txt", "evil @ https://example.org/evil.whl\n"),
        ("requirements-gpu.txt", "-r /tmp/other.txt\n"),
        ("conda.yaml", "channels: [https://example.org]\ndependencies: []\n"),
        ("conda.yaml", "channels: [conda-forge]\ndependencies: [{pip: ['-e .']}]\n"),
        ("python_env.yaml", "python: 3.11.7\ndependencies: ['-r other.txt']\n"),
        ("python_env.yaml", "[]"),
    ],
)
def test_what_pip_would_fetch_is_pinned_packages(package: PackageMaker, name: str, text: str) -> None:
    directory = package()
    (directory / name).write_text(text)
    assert f"'{name}' asks for more than pinned packages" in refused(redescribed(directory))


# --- MLmodel


def flavor(said: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = said["flavors"]["python_function"]
    return found


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda said: flavor(said).update(python_model="artifacts/model/callables.pkl"), "python_model"),
        (lambda said: flavor(said).update(loader_module="mlflow.pyfunc.model"), "loader_module"),
        (lambda said: flavor(said).update(loader_module="os"), "loader_module"),
        (lambda said: flavor(said).pop("model_code_path"), "model_code_path"),
        (lambda said: flavor(said).update(model_code_path="/x/code/evil.py"), "model_code_path"),
        (lambda said: flavor(said).update(code="artifacts"), "code"),
        (lambda said: flavor(said).update(code=None), "code"),
        (lambda said: flavor(said).update(data="artifacts"), "data"),
        (lambda said: flavor(said).update(config={"a": 1}), "config"),
        (lambda said: flavor(said).update(model_config={"a": 1}), "model_config"),
        (lambda said: flavor(said).update(predict_fn="__init__"), "predict_fn"),
        (lambda said: flavor(said).update(streamable=True), "streamable"),
        (lambda said: flavor(said)["artifacts"].update(more={"path": "/etc"}), "artifacts"),
        (lambda said: flavor(said)["artifacts"]["model"].update(path="/etc"), "artifacts"),
        (lambda said: flavor(said)["env"].update(conda="other.yaml"), "env"),
        (lambda said: said["flavors"].update(sklearn={"pickled_model": "model.pkl"}), "another flavor"),
        (lambda said: said.update(metadata={"a": 1}), "metadata"),
        (lambda said: said.update(saved_input_example_info={"artifact_path": "x"}), "saved_input_example"),
        (lambda said: said.update(signature=[]), "signature"),
    ],
)
def test_mlmodel_says_what_packaging_had_mlflow_write(
    package: PackageMaker, change: Change, why: str
) -> None:
    directory = package()
    file = directory / "MLmodel"
    said = yaml.safe_load(file.read_text())
    change(said)
    file.write_text(yaml.safe_dump(said))
    told = refused(redescribed(directory))
    assert "'MLmodel'" in told
    assert why in told


def test_a_key_without_a_value_is_as_good_as_none(package: PackageMaker) -> None:
    directory = package()
    said = yaml.safe_load((directory / "MLmodel").read_text())
    said["auth_policy"] = None
    (directory / "MLmodel").write_text(yaml.safe_dump(said))
    PackagedModel.read(redescribed(directory))


def test_a_policy_against_pickles_refuses_one_that_the_model_does_not_admit(
    sqlite_reg: Registry, package: PackageMaker, name: str, tmp_path: Path
) -> None:
    """`pickled: none`, a `python_model.pkl` and an MLmodel that names it: MLflow would run it on load."""
    version = sqlite_reg.register(package(), name).version
    sqlite_reg.set_policy(name, Policy("", refuse_pickled=True))
    place = stored(version)
    said = yaml.safe_load((place / "MLmodel").read_text())
    flavor(said).pop("model_code_path")
    flavor(said).update(python_model="python_model.pkl", loader_module="mlflow.pyfunc.model")
    (place / "MLmodel").write_text(yaml.safe_dump(said))
    (place / "python_model.pkl").write_bytes(pickle.dumps(print))
    redescribed(place)
    sqlite_reg.set_version_tags(version, {tags.MANIFEST_DIGEST: sha256(place / "SHA256SUMS")})
    planted = sqlite_reg.resolve(version.pinned_uri)
    sqlite_reg.check(planted)  # it admits no pickle
    with pytest.raises(ArtifactMismatch, match=r"python_model\.pkl' is none that packaging writes"):
        sqlite_reg.fetch(planted, tmp_path / "into")


def test_pickled_parts_are_said_where_a_pickle_is_and_only_there(package: PackageMaker) -> None:
    hidden, claimed = package(pickled=["transform"]), package()
    said = json.loads((hidden / "stagewright.json").read_text()) | {"pickled": []}
    assert "callables.pkl' is there" in refused(write_description(hidden, said))
    said = json.loads((claimed / "stagewright.json").read_text()) | {"pickled": ["transform"]}
    assert "callables.pkl' is not there" in refused(write_description(claimed, said))


# --- .pt2


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("run",)


def rewritten(directory: Path, entries: dict[str, bytes], **how: Any) -> Path:
    """The directory with these entries of `model.pt2` in place of its own, or more."""
    file = directory / "artifacts" / "model" / "model.pt2"
    with zipfile.ZipFile(file) as archive:
        before = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(file, "w", **how) as archive:
        for name, content in {**before, **{f"model/{name}": each for name, each in entries.items()}}.items():
            archive.writestr(name, content)
    return redescribed(directory)


def payload(directory: Path, name: str, **more: Any) -> dict[str, bytes]:
    """An entry that lists the weights, with `more` said of the first."""
    with zipfile.ZipFile(directory / "artifacts" / "model" / "model.pt2") as archive:
        said = json.loads(archive.read(f"model/{name}"))
    next(iter(said["config"].values())).update(more)
    return {name: json.dumps(said).encode()}


WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"


def test_an_archive_written_by_another_hand_is_taken_if_it_says_the_same(package: PackageMaker) -> None:
    PackagedModel.read(rewritten(package(), {}))
    PackagedModel.read(rewritten(package(), {"data/sample_inputs/model.pt": b""}))


@pytest.mark.parametrize(
    "name",
    [
        "data/aotinductor/model/model.so",
        "data/constants/opaque_obj_0",
        "data/constants/custom_obj_0",
        "data/constants/model.pt",
        "data/weights/model.pt",
        "data/weights/weight_0.so",
        "Models/model.json",
        "models/other.json",
        "extra/run.py",
        "constants.pkl",
        "../outside",
    ],
)
def test_an_entry_that_packaging_does_not_write_is_refused(package: PackageMaker, name: str) -> None:
    said = refused(rewritten(package(), {name: pickle.dumps(Evil())}))
    assert f"has an entry 'model/{name}', which packaging does not write" in said


def test_a_weight_or_a_constant_that_is_a_pickle_is_refused(package: PackageMaker) -> None:
    directory = package()
    evil = payload(directory, WEIGHTS, use_pickle=True) | {"data/weights/weight_0": pickle.dumps(Evil())}
    assert "pickled data" in refused(rewritten(directory, evil))
    constant = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    evil = {CONSTANTS: json.dumps({"config": {"c": constant}}).encode()}
    assert "pickled data" in refused(rewritten(package(), evil))
    constant = {**constant, "path_name": "tensor_0"}
    evil = {CONSTANTS: json.dumps({"config": {"c": constant}}).encode(), "data/constants/tensor_0": b""}
    assert "pickled data" in refused(rewritten(package(), evil))


def test_sample_inputs_are_one_tensor_of_bytes(package: PackageMaker) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Evil(), protocol=2))
    said = refused(rewritten(package(), {"data/sample_inputs/model.pt": inner.getvalue()}))
    assert "has a pickle that says 'GLOBAL __builtin__ print'" in said
    said = refused(rewritten(package(), {"data/sample_inputs/model.pt": pickle.dumps(Evil())}))
    assert "is no archive" in said
    with pytest.raises(ArtifactMismatch, match="something behind a pickle's end"):
        check_pickle(b"\x80\x02N.".replace(b"N", b"}") + b"more", "x")
    with pytest.raises(ArtifactMismatch, match="cannot be read"):
        check_pickle(b"\x80", "x")


def test_entries_are_stored_once_and_lie_one_behind_the_other(package: PackageMaker) -> None:
    assert "compressed" in refused(rewritten(package(), {}, compression=zipfile.ZIP_DEFLATED))
    twice = package()
    with (
        pytest.warns(UserWarning, match="Duplicate"),
        zipfile.ZipFile(twice / "artifacts/model/model.pt2", "a") as archive,
    ):
        archive.writestr("model/models/model.json", b"{}")
    assert "has an entry 'model/models/model.json'" in refused(redescribed(twice))
    for before, behind in ((b"junk", b""), (b"", b"junk")):
        directory = package()
        file = directory / "artifacts" / "model" / "model.pt2"
        file.write_bytes(before + file.read_bytes() + behind)
        assert "model.pt2' " in refused(redescribed(directory))
    renamed = package()
    file = renamed / "artifacts" / "model" / "model.pt2"
    file.write_bytes(file.read_bytes().replace(b"model/byteorder", b"model/archive__", 1))
    assert "under another name" in refused(redescribed(renamed))


# --- the graph in it


@pytest.fixture(scope="session")
def graph(old_package: Path) -> str:
    with zipfile.ZipFile(old_package / "artifacts" / "model" / "model.pt2") as archive:
        return archive.read("model/models/model.json").decode()


def nodes(document: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["graph_module"]["graph"]["nodes"]
    return found


def tensor(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["graph_module"]["graph"]["tensor_values"]["images"]
    return found


def signature(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["graph_module"]["module_call_graph"][0]["signature"]
    return found


EVIL_SPEC = '[1, {"type": "builtins.tuple", "context": "{\\"__enum__\\": true}", "children_spec": []}]'


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.update(guards_code=["__import__('os').system('id') == 0"]),
        lambda it: it.update(guards_code=["L['images'].__class__ == 1"]),
        lambda it: tensor(it)["sizes"][0]["as_expr"].update(expr_str="__import__('os').system('id')"),
        lambda it: tensor(it)["sizes"][0]["as_expr"].update(expr_str="Symbol('s0').__class__"),
        lambda it: tensor(it)["sizes"][0]["as_expr"].update(expr_str="Lambda(s0, s0)"),
        lambda it: tensor(it)["sizes"][0]["as_expr"].update(expr_str="Symbol('s0', cls=print)"),
        lambda it: tensor(it)["sizes"][0]["as_expr"].update(expr_str="Integer('print(1)')"),
        lambda it: tensor(it)["sizes"][0]["as_expr"].update(expr_str="[s0 for s0 in 1]"),
        lambda it: nodes(it)[0].update(target="torch.hub.load"),
        lambda it: nodes(it)[0].update(target="torch.ops.aten.save.default"),
        lambda it: nodes(it)[0].update(target="torch.ops.aten.from_file.default"),
        lambda it: nodes(it)[0].update(target="torch.ops.higher_order.call_torchbind"),
        lambda it: nodes(it)[0].update(target="_operator.attrgetter"),
        lambda it: nodes(it)[0].update(target="#namespace:op"),
        lambda it: nodes(it)[0]["outputs"][0]["as_tensor"].update(name="x = 1\nimport os #"),
        lambda it: nodes(it)[0].update(name="x; import os"),
        lambda it: nodes(it)[0]["inputs"][0].update(arg={"as_operator": "torch.hub.load"}),
        lambda it: nodes(it)[0]["inputs"][0].update(arg={"as_custom_obj": {"name": "x", "class_fqn": "y"}}),
        lambda it: nodes(it)[0]["metadata"].update(custom="{}"),
        lambda it: signature(it).update(in_spec=EVIL_SPEC),
        lambda it: signature(it).update(out_spec=EVIL_SPEC),
        lambda it: signature(it).update(forward_arg_names=["x=print()"]),
        lambda it: it["graph_module"].update(treespec_namedtuple_fields={"os.x": {"field_names": []}}),
        lambda it: it["graph_module"]["graph"].update(custom_obj_values={"x": {"name": "x"}}),
        lambda it: it["graph_module"]["signature"]["input_specs"][0]["parameter"].update(parameter_name="a')"),
        lambda it: it.update(unknown=1),
    ],
)  # fmt: skip
def test_a_graph_in_which_torch_would_evaluate_something_is_refused(graph: str, change: Change) -> None:
    document = json.loads(graph)
    check_graph(document, "model.pt2")
    change(document)
    with pytest.raises(ArtifactMismatch, match="a graph that packaging does not write"):
        check_graph(document, "model.pt2")


@pytest.mark.parametrize(
    "text",
    [
        "Symbol('s34', positive=True, integer=True)",
        "Mul(Integer(4), Symbol('s34', positive=True, integer=True))",
        "4*s34 + 1",
        "FloorDiv(s34, 2) - 1",
        "Max(1, u0)",
    ],
)
def test_sizes_that_torch_writes_are_taken(graph: str, text: str) -> None:
    document = json.loads(graph)
    tensor(document)["sizes"][0]["as_expr"]["expr_str"] = text
    document["guards_code"] = ["L['images'].size()[0] <= 64", "L['images'].size()[0] % 2 == 0"]
    check_graph(document, "model.pt2")


def test_a_graph_nested_too_deep_or_no_json_is_refused(package: PackageMaker) -> None:
    for content in (b"[" * 100_000, b"nothing"):
        assert "no JSON" in refused(rewritten(package(), {"models/model.json": content}))


def test_the_names_of_layers_are_all_that_a_graphs_digest_leaves_out(
    tmp_path: Path, old_package: Path
) -> None:
    text = (old_package / "artifacts" / "model" / "model.xml").read_text()
    file = tmp_path / "model.xml"
    digests = []
    for changed in (
        text,
        text.replace('name="Convert_', 'name="Convert_1'),
        text.replace('"FP32"', '"FP16"', 1),
    ):
        file.write_text(changed)
        digests.append(graph_digest(file))
    assert digests[0] == digests[1] != digests[2]


def test_a_program_is_checked_without_torch(old_package: Path, tmp_path: Path) -> None:
    shutil.copy(old_package / "artifacts" / "model" / "model.pt2", tmp_path / "model.pt2")
    program.check(tmp_path / "model.pt2", "model.pt2")
