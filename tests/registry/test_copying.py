"""A version of one registry as a version of another: what arrives, what stays, and what a second call completes."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from jobs.cli import main
from registry import (
    ArtifactMismatch,
    Comparison,
    Evidence,
    ForeignVersion,
    ModelVersion,
    Policy,
    PolicyRefused,
    Registry,
    Signer,
    tags,
)
from registry.gates.evidence import evidence_of
from registry.gates.signed_figures import evidence_tags

from .conftest import PackageMaker
from .test_signing import key_pair

FIGURES = Evidence(
    "shop", "ab12" * 16, "f32", "f" * 32, datetime.now(UTC).replace(microsecond=0), {"top1": 0.9}
)
BESIDE = Comparison(1, "shop", "ab12" * 16, "f" * 32, FIGURES.at, {"agreement": 0.99})


@pytest.fixture
def dev(registry_template: Path, tmp_path: Path) -> Registry:
    """Another registry than `reg`, which copies are made from; a password stands in its address."""
    (tmp_path / "dev").mkdir()
    file = tmp_path / "dev" / "mlflow.db"
    shutil.copy(registry_template, file)
    MlflowClient(f"sqlite:///{file}").create_experiment("stagewright", (tmp_path / "dev" / "kept").as_uri())
    return Registry(f"sqlite:///{file}")


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Signer]:
    private, _ = key_pair(tmp_path / "keys", "ada")
    return private, Signer.read(private)


@pytest.fixture
def vouched(dev: Registry, package: PackageMaker, keys: tuple[Path, Signer]) -> ModelVersion:
    """The second version of a model: signed, evaluated, compared with the first, and approved of."""
    dev.register(package(), "flowers")
    version = dev.register(package(), "flowers", {"team": "search"}).version
    dev.sign(version, keys[0])
    dev.set_version_tags(
        version, FIGURES.as_tags() | evidence_tags(version, FIGURES, keys[1]) | BESIDE.as_tags()
    )
    dev.approve(version, "Production", keys[1])
    return dev.resolve("models:/flowers/2")


def test_files_tags_evidence_and_signatures_arrive(
    dev: Registry, reg: Registry, vouched: ModelVersion, name: str, keys: tuple[Path, Signer], tmp_path: Path
) -> None:
    copied = dev.copy(vouched, reg, name)
    there = copied.registration.version

    assert copied.registration.created
    assert (there.model_digest, there.manifest_digest) == (vouched.model_digest, vouched.manifest_digest)
    assert reg.fetch(there, tmp_path / "fetched").is_dir()
    assert reg.verify(there, [keys[1].public]) == keys[1].public
    assert there.tags["team"] == "search"
    assert evidence_of(there) == [FIGURES]
    for key in (tags.GIT_COMMIT, tags.GIT_DIRTY):
        assert there.tags.get(key) == vouched.tags.get(key)
    [event] = reg.history(name)
    assert event.because == f"copied from models:/flowers/2 in {dev.address}"
    origin = json.loads(there.tags[tags.COPIED_FROM])
    assert (origin["model"], origin["version"], origin["run"]) == ("flowers", 2, vouched.source_run_id)


def test_what_is_said_of_a_name_and_a_number_stays_and_is_named(
    dev: Registry, sqlite_reg: Registry, vouched: ModelVersion, name: str
) -> None:
    copied = dev.copy(vouched, sqlite_reg, name)

    kinds = [line.partition(":")[0] for line in copied.left]
    assert kinds == ["approval", "evidence signature", "comparison"]
    there = copied.registration.version.tags
    assert not [
        key for key in there if key.startswith((tags.APPROVAL, tags.EVIDENCE_SIGNATURE, tags.COMPARISON))
    ]


def test_it_goes_along_where_name_number_and_files_are_the_same(
    dev: Registry, sqlite_reg: Registry, vouched: ModelVersion
) -> None:
    dev.copy(dev.resolve("models:/flowers/1"), sqlite_reg, "flowers")
    copied = dev.copy(vouched, sqlite_reg, "flowers")

    assert copied.left == ()
    ours = {
        key: value for key, value in vouched.tags.items() if key not in (tags.SOURCE_RUN, tags.LOGGED_MODEL)
    }
    there = dict(copied.registration.version.tags)
    del there[tags.COPIED_FROM], there[tags.SOURCE_RUN], there[tags.LOGGED_MODEL]
    assert there == ours


def test_a_comparison_with_other_files_stays(
    dev: Registry, sqlite_reg: Registry, vouched: ModelVersion, package: PackageMaker
) -> None:
    sqlite_reg.register(package(), "flowers")

    copied = dev.copy(vouched, sqlite_reg, "flowers")

    assert copied.registration.version.number == 2
    assert [line.partition(":")[0] for line in copied.left] == ["comparison"]


def test_a_second_copy_brings_what_is_new_and_overwrites_nothing(
    dev: Registry, sqlite_reg: Registry, vouched: ModelVersion, name: str
) -> None:
    first = dev.copy(vouched, sqlite_reg, name).registration.version
    sqlite_reg.set_version_tags(first, {"team": "shop"})
    night = Evidence("night", FIGURES.dataset_digest, "f32", "e" * 32, FIGURES.at, {"top1": 0.7})
    dev.set_version_tags(vouched, night.as_tags())

    copied = dev.copy(dev.resolve("models:/flowers/2"), sqlite_reg, name)

    there = copied.registration.version
    assert (there.number, copied.registration.created) == (first.number, False)
    assert "team: version 1 says otherwise, and keeps what it says." in copied.left
    assert [each.dataset for each in evidence_of(there)] == ["night", "shop"]
    assert there.tags["team"] == "shop"
    assert len(sqlite_reg.history(name)) == 1


def test_what_was_killed_before_the_last_tags_is_completed(
    dev: Registry, sqlite_reg: Registry, vouched: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev.copy(dev.resolve("models:/flowers/1"), sqlite_reg, "flowers")
    with monkeypatch.context() as patched:
        patched.setattr(type(sqlite_reg._client), "set_version_tags", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            dev.copy(vouched, sqlite_reg, "flowers")

    copied = dev.copy(vouched, sqlite_reg, "flowers")

    assert [each.number for each in sqlite_reg.versions("flowers")] == [1, 2]
    assert any(key.startswith(tags.APPROVAL) for key in copied.registration.version.tags)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_the_other_registry_refuses_is_not_made_there(
    dev: Registry, sqlite_reg: Registry, package: PackageMaker
) -> None:
    version = dev.register(package(pickled=["transform"]), "flowers").version
    sqlite_reg.register(package(), "flowers")
    sqlite_reg.set_policy("flowers", Policy("", refuse_pickled=True))

    with pytest.raises(PolicyRefused, match="pickle"):
        dev.copy(version, sqlite_reg, "flowers")

    assert len(sqlite_reg.versions("flowers")) == 1


def test_what_was_changed_at_home_is_not_copied(
    dev: Registry, sqlite_reg: Registry, vouched: ModelVersion
) -> None:
    kept = Path(str(dev.address).removeprefix("sqlite:///")).parent / "kept"
    [labels] = [file for file in kept.rglob("labels.json") if vouched.tags[tags.LOGGED_MODEL] in str(file)]
    labels.write_text('["red"]')

    with pytest.raises(ArtifactMismatch):
        dev.copy(vouched, sqlite_reg, "flowers")

    assert "flowers" not in sqlite_reg.names()


def test_what_stagewright_did_not_package_is_not_copied(
    sqlite_reg: Registry, dev: Registry, three_on_sqlite: None, name: str
) -> None:
    with pytest.raises(ForeignVersion):
        sqlite_reg.copy(sqlite_reg.resolve(f"models:/{name}/1"), dev)


def test_the_command_says_where_it_went_and_what_comes_next(
    dev: Registry,
    sqlite_reg: Registry,
    vouched: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(dev.address))

    assert main(["copy", "models:/flowers/2", "--to", str(sqlite_reg.address), "--json"]) == 0

    said = capsys.readouterr()
    document = json.loads(said.out)
    assert (document["uri"], document["copied_from"]) == ("models:/flowers/1", "models:/flowers/2")
    assert f"Next: MLFLOW_TRACKING_URI={sqlite_reg.address} stagewright promote flowers 1 Staging" in said.err
    assert len(document["warnings"]) == 3
