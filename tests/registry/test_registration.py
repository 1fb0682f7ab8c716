"""From a packaged directory to a version."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from registry import (
    InvalidName,
    InvalidPackage,
    InvalidTag,
    ModelNotFound,
    Outcome,
    Registry,
    RegistryFault,
    RunNotFound,
    Stage,
    tags,
)

from .conftest import PackageMaker, seal, sha256


def test_a_version_says_what_was_packaged(reg: Registry, package: PackageMaker, name: str) -> None:
    directory = package(pickled=["transform"])
    made = reg.register(directory, name, {"team": "vision"})
    version = made.version
    assert made.created
    assert (version.name, version.number, version.stage, version.status) == (name, 1, Stage.NONE, "READY")
    said = json.loads((directory / "stagewright.json").read_text())
    assert version.model_digest == said["model_digest"]
    assert version.manifest_digest == sha256(directory / "SHA256SUMS")
    assert (version.kind, version.architecture) == ("classifier", "torchvision:resnet50")
    assert (version.precisions, version.pickled) == (("f32", "bf16"), ("transform",))
    assert version.user_tags == {"team": "vision"}
    assert version.tags[tags.LABELS_COUNT] == "4"
    assert version.tags[tags.version_of("torch")] == "2.14.1"
    assert version.tags[tags.digest_of("weights")] == sha256(directory / "artifacts" / "model" / "model.bin")
    assert version.tags[tags.measured("bf16", "agreement")] == "0.99"
    assert version.tags[tags.SOURCE_RUN] == version.source_run_id


def test_an_embedder_without_pickles_or_labels_says_so(
    sqlite_reg: Registry, package: PackageMaker, name: str
) -> None:
    version = sqlite_reg.register(package(kind="embedder", labels_count=None), name).version
    assert version.kind == "embedder"
    assert tags.LABELS_COUNT not in version.tags
    assert version.tags[tags.PICKLED] == "none"
    assert version.pickled == ()


def test_the_same_model_registered_twice_is_one_version(
    reg: Registry, package: PackageMaker, name: str
) -> None:
    first = reg.register(package(seed="one"), name)
    other = reg.register(package(), name)
    again = reg.register(package(seed="one"), name, {"team": "late"})
    assert (again.created, again.version.number) == (False, first.version.number)
    assert other.version.number == 2
    assert [version.number for version in reg.versions(name)] == [1, 2]
    assert "team" not in again.version.tags


def test_anybody_can_load_a_version_with_plain_mlflow(
    reg: Registry, package: PackageMaker, name: str, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = reg.register(package(), name).version
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    loaded = mlflow.pyfunc.load_model(version.pinned_uri)
    assert loaded.predict(pd.DataFrame({"content": [b""]}))["status"].tolist() == ["empty"]


def test_mlflow_sees_a_ready_logged_model_linked_to_its_run_and_version(
    reg: Registry, package: PackageMaker, name: str, uri: str
) -> None:
    version = reg.register(package(), name).version
    client = MlflowClient(uri)
    logged = client.get_logged_model(version.tags[tags.LOGGED_MODEL])
    run = client.get_run(version.source_run_id)
    assert logged.status == "READY"
    assert logged.source_run_id == run.info.run_id
    assert run.info.status == "FINISHED"
    assert run.outputs.model_outputs[0].model_id == logged.model_id
    linked = json.loads(logged.tags[tags.MLFLOW_MODEL_VERSIONS])
    assert [(item["name"], int(item["version"])) for item in linked] == [(name, 1)]


def test_a_training_run_is_the_source_and_stays_open(reg: Registry, package: PackageMaker, name: str) -> None:
    run_id = reg.start_run("training", "resnet")
    version = reg.register(package(), name, source_run_id=run_id).version
    assert version.source_run_id == run_id
    assert reg.run(run_id).status == "RUNNING"
    reg.finish_run(run_id, Outcome())


def test_a_source_run_that_does_not_exist_is_refused_before_anything_is_made(
    reg: Registry, package: PackageMaker, name: str
) -> None:
    with pytest.raises(RunNotFound, match="'0123'"):
        reg.register(package(), name, source_run_id="0123")
    with pytest.raises(ModelNotFound):
        reg.versions(name)


def test_a_folder_under_git_gives_the_commit_and_whether_it_is_dirty(
    sqlite_reg: Registry, package: PackageMaker, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *arguments], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    clean = sqlite_reg.register(package(), name).version
    (work / "new.py").touch()
    dirty = sqlite_reg.register(package(), name).version
    assert clean.tags[tags.GIT_COMMIT] == dirty.tags[tags.GIT_COMMIT] == head.stdout.strip()
    assert (clean.tags[tags.GIT_DIRTY], dirty.tags[tags.GIT_DIRTY]) == ("false", "true")


def test_an_upload_that_fails_leaves_no_version_and_a_failed_run(
    sqlite_reg: Registry, sqlite_uri: str, package: PackageMaker, name: str
) -> None:
    home = Path(sqlite_uri.removeprefix("sqlite:///")).parent
    (home / "artifacts").write_text("a file where the artifacts' folder should be")
    with pytest.raises(RegistryFault):
        sqlite_reg.register(package(), name)
    assert sqlite_reg.versions(name) == []
    client = MlflowClient(sqlite_uri)
    experiment = client.get_experiment_by_name("stagewright").experiment_id
    assert [run.info.status for run in client.search_runs([experiment])] == ["FAILED"]
    assert [model.status for model in client.search_logged_models([experiment])] == ["FAILED"]


@pytest.mark.parametrize("key", ["stagewright.kind", "stagewright.mine", "mlflow.runName"])
def test_a_users_tag_in_a_reserved_namespace_is_refused(
    sqlite_reg: Registry, package: PackageMaker, name: str, key: str
) -> None:
    with pytest.raises(InvalidTag, match=key):
        sqlite_reg.register(package(), name, {key: "x"})


@pytest.mark.parametrize("bad", ["a/b", "a:b", "a@b", "a?b", "", ".."])
def test_a_name_that_no_uri_can_carry_is_refused(
    sqlite_reg: Registry, package: PackageMaker, bad: str
) -> None:
    with pytest.raises(InvalidName):
        sqlite_reg.register(package(), bad)


@pytest.mark.parametrize("odd", ["it's", "Blumen äöü", "a.b.c", "x-1_2", "50% off #1"])
def test_a_name_that_mlflow_accepts_works_everywhere(
    sqlite_reg: Registry, package: PackageMaker, odd: str, tmp_path: Path
) -> None:
    sqlite_reg.register(package(), odd)
    sqlite_reg.promote(odd, 1, "Production")
    version = sqlite_reg.resolve(f"models:/{odd}/Production")
    run_id = sqlite_reg.start_run("stagewright", "scoring", version=version)
    assert [run.run_id for run in sqlite_reg.jobs_of(version)] == [run_id]
    assert (sqlite_reg.fetch(version, tmp_path / "into") / "MLmodel").is_file()


def test_a_directory_without_a_manifest_is_no_package(sqlite_reg: Registry, saved_model: Path) -> None:
    with pytest.raises(InvalidPackage, match="SHA256SUMS"):
        sqlite_reg.register(saved_model, "flowers")


def test_a_directory_changed_after_packaging_is_refused_by_the_files_name(
    sqlite_reg: Registry, package: PackageMaker
) -> None:
    directory = package()
    (directory / "artifacts" / "model" / "model.bin").write_bytes(b"other")
    with pytest.raises(InvalidPackage, match=r"artifacts/model/model\.bin"):
        sqlite_reg.register(directory, "flowers")


@pytest.mark.parametrize(
    "text", ['{"format": 2}', "not json", '{"format": 1}', "[]"], ids=["newer", "text", "empty", "list"]
)
def test_a_description_of_another_form_is_refused(
    sqlite_reg: Registry, package: PackageMaker, text: str
) -> None:
    directory = package()
    (directory / "stagewright.json").write_text(text)
    with pytest.raises(InvalidPackage, match=r"stagewright\.json"):
        sqlite_reg.register(seal(directory), "flowers")


def _register(uri: str, directory: Path, name: str, gate: object, out: object) -> None:
    gate.wait()  # type: ignore[attr-defined]
    made = Registry(uri).register(directory, name)
    out.put((made.version.number, made.created))  # type: ignore[attr-defined]


def test_processes_that_register_one_model_at_once_end_with_one_version(
    server_uri: str, package: PackageMaker, name: str
) -> None:
    directory = package()
    # Not forked from here: what locks this process's threads hold, a child would wait for in vain.
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(["mlflow.tracking", "registry.client"])
    gate, out = forked.Barrier(3), forked.Queue()
    workers = [
        forked.Process(target=_register, args=(server_uri, directory, name, gate, out)) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    told = [out.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    kept = [version.number for version in Registry(server_uri).versions(name)]
    assert len(kept) == 1
    assert {number for number, _ in told} == set(kept)
    assert sum(created for _, created in told) == 1
