"""What a reference means, and what is said when it means nothing."""

from __future__ import annotations

import warnings

import pytest
from mlflow.tracking import MlflowClient

from registry import (
    AliasNotFound,
    InvalidStage,
    ModelNotFound,
    ModelVersion,
    Registry,
    StageEmpty,
    VersionNotFound,
    VersionNotReady,
)
from registry.client import Client
from registry.connection import Address

from .conftest import PackageMaker


def from_outside(uri: str, name: str, number: int, stage: str) -> None:
    """What somebody does in MLflow's own UI."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        MlflowClient(uri).transition_model_version_stage(name, str(number), stage)


def test_every_kind_of_reference_finds_its_version(
    reg: Registry, uri: str, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 2, "Production")
    MlflowClient(uri).set_registered_model_alias(name, "champion", "1")
    found = {
        form: reg.resolve(f"models:/{name}{form}").number
        for form in ("/1", "/production", "@production", "@champion", "/latest", "/None")
    }
    assert found == {
        "/1": 1,
        "/production": 2,
        "@production": 2,
        "@champion": 1,
        "/latest": 3,
        "/None": 3,
    }


def test_latest_is_the_highest_number_and_not_the_tenth_as_text(
    sqlite_reg: Registry, package: PackageMaker, name: str
) -> None:
    for _ in range(10):
        sqlite_reg.register(package(), name)
    assert sqlite_reg.resolve(f"models:/{name}/latest").number == 10
    assert [version.number for version in sqlite_reg.versions(name)] == list(range(1, 11))


def test_versions_carry_stages_and_aliases(reg: Registry, name: str, three: list[ModelVersion]) -> None:
    reg.promote(name, 1, "Staging")
    reg.promote(name, 2, "Production")
    told = [(version.number, version.stage.value, version.aliases) for version in reg.versions(name)]
    assert told == [(1, "Staging", ("staging",)), (2, "Production", ("production",)), (3, "None", ())]


def test_an_unknown_model_is_told_with_what_exists(reg: Registry, package: PackageMaker, name: str) -> None:
    reg.register(package(), name)
    with pytest.raises(ModelNotFound, match=r"'absent'.*stagewright register"):
        reg.resolve("models:/absent/1")


def test_an_unknown_version_is_told_with_what_exists(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    with pytest.raises(VersionNotFound, match=r"no version 9; it has 1, 2, 3"):
        reg.resolve(f"models:/{name}/9")


def test_an_unknown_alias_is_told_with_what_exists(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 1, "Staging")
    with pytest.raises(AliasNotFound, match=r"'champion'; it has staging\. Set one with"):
        reg.resolve(f"models:/{name}@champion")


def test_an_empty_stage_is_told_with_the_command_that_fills_it(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    with pytest.raises(StageEmpty) as caught:
        reg.resolve(f"models:/{name}/Production")
    assert "1 (None), 2 (None), 3 (None)" in caught.value.message
    assert f"stagewright promote {name} VERSION Production" in caught.value.hint


def test_an_unknown_stage_is_told_with_those_that_exist(sqlite_reg: Registry) -> None:
    with pytest.raises(InvalidStage, match=r"'Prod'.*None, Staging, Production, Archived"):
        sqlite_reg.promote("flowers", 1, "Prod")


def test_two_versions_in_one_stage_mean_the_one_with_the_alias(
    reg: Registry, uri: str, name: str, three: list[ModelVersion], caplog: pytest.LogCaptureFixture
) -> None:
    reg.promote(name, 1, "Production")
    from_outside(uri, name, 3, "Production")
    assert reg.resolve(f"models:/{name}/Production").number == 1
    assert "[1, 3]" in caplog.text


def test_two_versions_in_one_stage_without_alias_mean_the_higher(
    reg: Registry, uri: str, name: str, three: list[ModelVersion]
) -> None:
    from_outside(uri, name, 1, "Production")
    from_outside(uri, name, 2, "Production")
    assert reg.resolve(f"models:/{name}/Production").number == 2


def test_one_version_moved_from_outside_is_what_the_stage_means(
    reg: Registry, uri: str, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 1, "Production")
    from_outside(uri, name, 1, "Archived")
    from_outside(uri, name, 3, "Production")
    assert reg.resolve(f"models:/{name}/Production").number == 3


def test_a_version_that_is_not_ready_is_refused(
    sqlite_uri: str, sqlite_reg: Registry, package: PackageMaker, name: str
) -> None:
    version = sqlite_reg.register(package(), name).version
    mark_pending(sqlite_uri, version)
    with pytest.raises(VersionNotReady, match="PENDING_REGISTRATION"):
        sqlite_reg.resolve(version.pinned_uri)
    with pytest.raises(VersionNotReady, match="PENDING_REGISTRATION"):
        sqlite_reg.promote(name, 1, "Production")
    assert Client(Address.find(sqlite_uri)).version(name, 1).stage.value == "None"


def mark_pending(sqlite_uri: str, version: ModelVersion) -> None:
    """MLflow's SQL stores make every version READY; others do not."""
    import sqlite3

    with sqlite3.connect(sqlite_uri.removeprefix("sqlite:///")) as database:
        database.execute(
            "UPDATE model_versions SET status = 'PENDING_REGISTRATION' WHERE name = ?", [version.name]
        )
