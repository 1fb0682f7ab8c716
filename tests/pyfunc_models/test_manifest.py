"""What the wrapper takes for the model that was packaged, and what it refuses."""

import json
import marshal
import os
import py_compile
import shutil
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest

from pyfunc_models import carried
from pyfunc_models.worker import big_files, bytecode, manifest, model_store
from pyfunc_models.worker.manifest import ManifestError

WRAPPER = "code/pyfunc_models_0123456789abcdef"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Looks like a packaged model."""
    root = tmp_path / "model"
    for name in (f"{WRAPPER}/__init__.py", f"{WRAPPER}/kinds/classifier.py", "artifacts/model/labels.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"NAME = {name!r}\n")
    manifest.write(root)
    return root


def cached(source: Path) -> Path:
    """The bytecode that Python leaves beside a source that it imports."""
    return Path(py_compile.compile(str(source), doraise=True) or "")


def test_the_manifests_own_digest_stands_for_what_was_verified(model: Path) -> None:
    assert manifest.verify(model) == manifest.sha256(model / "SHA256SUMS") == model_store.verify_once(model)


def test_a_folder_that_was_imported_by_hand_is_no_damaged_one(model: Path) -> None:
    for source in model.rglob("*.py"):
        cached(source)
    half_written = cached(model / WRAPPER / "__init__.py").with_suffix(".pyc.140234")
    half_written.write_bytes(b"half")
    manifest.verify(model)


def test_bytecode_of_another_source_is_refused_though_it_names_the_right_size_and_time(model: Path) -> None:
    source = model / WRAPPER / "__init__.py"
    right = cached(source).read_bytes()
    cached(source).write_bytes(right[:16] + marshal.dumps(compile("import os", str(source), "exec")))
    with pytest.raises(ManifestError, match=r"__init__\.cpython.* is not what Python makes of"):
        manifest.verify(model)
    cached(source).unlink()
    (source.parent / "__pycache__" / Path(cached(source)).name).write_bytes(MAGIC_NUMBER + b"no code at all")
    with pytest.raises(ManifestError, match="is not what Python makes of"):
        manifest.verify(model)


@pytest.mark.parametrize("name", ["added", "other.cpython-27", f"added.{sys.implementation.cache_tag}"])
def test_bytecode_without_a_source_that_was_packaged_is_refused(model: Path, name: str) -> None:
    cache = model / WRAPPER / "__pycache__"
    cache.mkdir()
    shutil.copyfile(cached(model / WRAPPER / "kinds" / "classifier.py"), cache / f"{name}.pyc")
    with pytest.raises(ManifestError, match=r"added it after packaging\. Remove the folder"):
        manifest.verify(model)


def test_a_linked_folder_is_refused_though_its_files_are_the_right_ones(model: Path, tmp_path: Path) -> None:
    shutil.move(model / "code", tmp_path / "elsewhere")
    (model / "code").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ManifestError, match="'code' is not in SHA256SUMS"):
        manifest.verify(model)


@pytest.mark.parametrize("name", ["artifacts/model/labels.json", "SHA256SUMS"])
def test_a_link_in_a_files_place_is_refused(model: Path, tmp_path: Path, name: str) -> None:
    shutil.move(model / name, tmp_path / "elsewhere")
    (model / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ManifestError, match="is a link"):
        manifest.verify(model)


@pytest.mark.parametrize("name", ["{outside}", "../outside", "code/../../outside", "./outside"])
def test_a_manifest_that_names_what_lies_outside_is_refused(model: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_text("secret")
    digest = manifest.sha256(tmp_path / "outside")
    with (model / "SHA256SUMS").open("a") as listed:
        listed.write(f"{digest}  {name.format(outside=tmp_path / 'outside')}\n")
    with pytest.raises(ManifestError, match="which is no file of the model"):
        manifest.verify(model)


@pytest.mark.parametrize("name", ["../planted", "artifacts/linked/planted"])
def test_what_was_shipped_apart_is_put_nowhere_else(model: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").mkdir()
    (model / "artifacts" / "linked").symlink_to(tmp_path / "outside")
    note = {"folder": str(tmp_path), "files": {name: "anything"}}
    (model / manifest.SHIPPED).write_text(json.dumps(note))
    with pytest.raises(ManifestError):
        model_store.verify_once(model)
    planted = (tmp_path / "planted", tmp_path / "outside" / "planted")
    assert not any(os.path.lexists(path) for path in planted)


def test_bytecode_of_every_module_of_the_wrapper_is_known_again(tmp_path: Path) -> None:
    code = carried.copy_wrapper(tmp_path, without=carried.STAYS_BEHIND)
    sources = list(code.rglob("*.py"))
    assert len(sources) > 20
    assert [source for source in sources if not bytecode.is_of(cached(source), source)] == []


def test_a_refused_extraction_is_not_what_later_ones_become(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.utils._spark_utils import _SparkDirectoryDistributor as Distributor

    monkeypatch.setenv("STAGEWRIGHT_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(big_files, "_extractions", {})
    planted, honest = (shutil.copytree(model, tmp_path / name) for name in ("planted", "honest"))
    (planted / "artifacts/model/labels.json").write_text("other")
    extracted = {str(path): str(path) for path in (planted, honest)}
    monkeypatch.setattr(Distributor, "_extracted_dir_paths", extracted)
    with pytest.raises(ManifestError, match="is not the file that was packaged"):
        model_store.verify_once(planted)
    assert model_store.verify_once(honest) == manifest.sha256(honest / "SHA256SUMS")
