"""A version's files, verified before any of them is read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from registry import ArtifactMismatch, ForeignVersion, InvalidPackage, ModelVersion, Registry, tags
from registry.trust.manifest import verify
from registry.trust.packaged import PackagedModel

from .conftest import PackageMaker, seal, sha256


def stored(version: ModelVersion) -> Path:
    """Where a SQLite registry keeps a version's files."""
    return Path(version.source_uri.removeprefix("file://"))


def test_a_version_comes_back_byte_for_byte(
    reg: Registry, package: PackageMaker, name: str, tmp_path: Path
) -> None:
    directory = package()
    version = reg.register(directory, name).version
    fetched = reg.fetch(version, tmp_path / "into")
    packed = {path.relative_to(directory): sha256(path) for path in directory.rglob("*") if path.is_file()}
    assert {
        path.relative_to(fetched): sha256(path) for path in fetched.rglob("*") if path.is_file()
    } == packed
    assert list((tmp_path / "into").iterdir()) == [fetched]


def test_a_second_fetch_verifies_the_copy_and_downloads_nothing(
    sqlite_reg: Registry, package: PackageMaker, name: str, tmp_path: Path
) -> None:
    version = sqlite_reg.register(package(), name).version
    first = sqlite_reg.fetch(version, tmp_path / "into")
    shutil.rmtree(stored(version))
    assert sqlite_reg.fetch(version, tmp_path / "into") == first
    (first / "MLmodel").write_text("other")
    with pytest.raises(ArtifactMismatch, match="MLmodel"):
        sqlite_reg.fetch(version, tmp_path / "into")


@pytest.mark.parametrize(
    "name_of_file", ["MLmodel", "artifacts/model/model.bin", "stagewright.json", "SHA256SUMS"]
)
def test_a_flipped_byte_in_the_store_is_refused_by_the_files_name(
    sqlite_reg: Registry, package: PackageMaker, name: str, tmp_path: Path, name_of_file: str
) -> None:
    version = sqlite_reg.register(package(), name).version
    path = stored(version) / name_of_file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactMismatch, match=f"'{name_of_file}'"):
        sqlite_reg.fetch(version, tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


def test_a_forged_file_with_a_matching_manifest_is_refused(
    sqlite_reg: Registry, package: PackageMaker, name: str, tmp_path: Path
) -> None:
    version = sqlite_reg.register(package(), name).version
    (stored(version) / "artifacts" / "model" / "model.bin").write_bytes(b"forged")
    seal(stored(version))
    with pytest.raises(ArtifactMismatch, match="not the manifest that was registered"):
        sqlite_reg.fetch(version, tmp_path / "into")


def test_a_missing_and_an_added_file_are_refused_by_name(package: PackageMaker) -> None:
    directory = package()
    digest = sha256(directory / "SHA256SUMS")
    (directory / "code.py").write_text("import os")
    with pytest.raises(ArtifactMismatch, match=r"'code\.py' was added"):
        verify(directory, digest)
    (directory / "code.py").unlink()
    (directory / "artifacts" / "model" / "model.bin").unlink()
    with pytest.raises(ArtifactMismatch, match=r"'artifacts/model/model\.bin' is missing"):
        verify(directory, digest)


def test_a_folder_that_was_imported_by_hand_is_told_from_a_damaged_one(package: PackageMaker) -> None:
    directory = package()
    [wrapper] = (directory / "code").iterdir()
    (wrapper / "__pycache__").mkdir()
    (wrapper / "__pycache__" / "spec.cpython-311.pyc").touch()
    with pytest.raises(InvalidPackage, match="loaded the model from this folder by hand, remove it: find"):
        PackagedModel.read(directory)


@pytest.mark.parametrize("path", ["a", "a/b"])
def test_a_manifest_that_names_a_file_twice_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  {path}\n{'1' * 64}  {path}\n")
    with pytest.raises(ArtifactMismatch, match="names a file twice"):
        verify(tmp_path, sha256(tmp_path / "SHA256SUMS"))


def test_a_file_replaced_by_a_link_to_an_equal_one_is_refused(package: PackageMaker, tmp_path: Path) -> None:
    directory = package()
    shutil.move(directory / "artifacts" / "model" / "model.bin", tmp_path / "outside.bin")
    (directory / "artifacts" / "model" / "model.bin").symlink_to(tmp_path / "outside.bin")
    with pytest.raises(ArtifactMismatch, match=r"artifacts/model/model\.bin"):
        verify(directory, sha256(directory / "SHA256SUMS"))


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../b", "./a"])
def test_a_manifest_that_points_outside_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  {path}\n")
    with pytest.raises(ArtifactMismatch, match="names no file of the model"):
        verify(tmp_path, sha256(tmp_path / "SHA256SUMS"))


def test_the_file_that_mlflow_adds_on_download_is_allowed(package: PackageMaker) -> None:
    directory = package()
    digest = sha256(directory / "SHA256SUMS")
    added = directory / "registered_model_meta"
    added.write_text("model_name: flowers")
    verify(directory, digest)
    added.unlink()
    added.symlink_to("/dev/zero")
    with pytest.raises(ArtifactMismatch, match="'registered_model_meta' is no file"):
        verify(directory, digest)


def test_a_version_made_without_stagewright_has_an_error_of_its_own(
    sqlite_uri: str, sqlite_reg: Registry, saved_model: Path, name: str, tmp_path: Path
) -> None:
    client = MlflowClient(sqlite_uri)
    client.create_registered_model(name)
    client.create_model_version(name, saved_model.as_uri())
    version = sqlite_reg.resolve(f"models:/{name}/1")
    assert tags.MANIFEST_DIGEST not in version.tags
    with pytest.raises(ForeignVersion, match="stagewright register"):
        sqlite_reg.fetch(version, tmp_path)
