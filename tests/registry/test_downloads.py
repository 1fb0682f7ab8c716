"""A download takes no more than a model may, whatever the store says or does not say."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from registry import ModelTooLarge, Registry, UserError
from registry.client import downloads

from .conftest import PackageMaker


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose download began."""
    names: list[str] = []
    fetch = LocalArtifactRepository._download_file

    def recorded(self: Any, remote_file_path: str, local_path: str) -> None:
        names.append(remote_file_path)
        fetch(self, remote_file_path, local_path)

    monkeypatch.setattr(LocalArtifactRepository, "_download_file", recorded)
    return names


def test_a_model_larger_than_a_model_may_be_is_not_downloaded(
    reg: Registry, package: PackageMaker, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = reg.register(package(), name).version
    monkeypatch.setenv("STAGEWRIGHT_MAX_MODEL_BYTES", "1000")
    monkeypatch.setattr(ArtifactRepository, "download_artifacts", None)  # whoever calls it fails
    with pytest.raises(ModelTooLarge, match=r"bytes, more than the 1,000 .*STAGEWRIGHT_MAX_MODEL_BYTES="):
        reg.fetch(version, tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


def test_a_model_larger_than_the_disk_is_not_downloaded(
    sqlite_reg: Registry,
    package: PackageMaker,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: list[str],
) -> None:
    version = sqlite_reg.register(package(), name).version
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(ModelTooLarge, match="and 10 are free where"):
        sqlite_reg.fetch(version, tmp_path / "into")
    assert started == []


def test_a_store_that_says_less_than_it_sends_is_found_out_and_nothing_is_kept(
    sqlite_reg: Registry,
    package: PackageMaker,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: list[str],
) -> None:
    version = sqlite_reg.register(package(), name).version
    honest = LocalArtifactRepository.list_artifacts

    def small(self: Any, path: str | None = None) -> list[FileInfo]:
        return [FileInfo(found.path, found.is_dir, None) for found in honest(self, path)]

    monkeypatch.setattr(LocalArtifactRepository, "list_artifacts", small)
    monkeypatch.setenv("STAGEWRIGHT_MAX_MODEL_BYTES", "1000")
    with pytest.raises(ModelTooLarge, match="more than the 1,000"):
        sqlite_reg.fetch(version, tmp_path / "into")
    assert started != []
    assert list((tmp_path / "into").iterdir()) == []


class Halting(ArtifactRepository):
    """A store whose second listing of a folder fails while the file that was listed before it is on its way."""

    def __init__(self) -> None:
        super().__init__("made-up://store")
        self.on_its_way, self.failed = threading.Event(), threading.Event()
        self.listed: list[str | None] = []

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        self.listed.append(path)
        if path != "folder":
            return [FileInfo("file", False, 4), FileInfo("folder", True, None)]
        if self.listed.count(path) > 1:
            assert self.on_its_way.wait(60)
            self.failed.set()
            raise ConnectionError("hung up")
        return [FileInfo("folder/file", False, 4)]

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self.on_its_way.set()
        assert self.failed.wait(60)
        time.sleep(0.2)
        Path(local_path).write_text("late")

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        raise NotImplementedError

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        raise NotImplementedError


def test_nothing_is_written_any_more_once_a_download_has_failed(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="hung up"):
        downloads.download(Halting(), tmp_path, "models:/m/1")
    assert (tmp_path / "file").read_text() == "late"
    shutil.rmtree(tmp_path)


class Endless(NamedTuple):
    """A store whose every folder holds another one."""

    download_artifacts: Callable[..., None]

    def list_artifacts(self, path: str | None) -> list[FileInfo]:
        return [FileInfo(f"{path or ''}/deeper", True, None), FileInfo(f"{path or ''}/file", False, 0)]


def test_a_listing_without_an_end_is_left(tmp_path: Path) -> None:
    with pytest.raises(ModelTooLarge, match="lists more than 10,000 files and folders"):
        downloads.download(Endless(lambda *_: pytest.fail("it was downloaded")), tmp_path, "models:/m/1")


def test_a_limit_that_is_no_number_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGEWRIGHT_MAX_MODEL_BYTES", "16 GB")
    with pytest.raises(UserError, match="'16 GB' is not a number of bytes"):
        downloads.max_bytes()
