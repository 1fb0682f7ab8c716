"""Versions from stage to stage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow.tracking import MlflowClient

from registry import (
    ExpectationFailed,
    InvalidReason,
    InvalidStage,
    ModelVersion,
    NothingToRollBack,
    ProductionLeft,
    PromotionLost,
    Registry,
    VersionNotFound,
)

from .conftest import make_three
from .test_resolution import from_outside


def standing(reg: Registry, name: str) -> dict[int, tuple[str, tuple[str, ...]]]:
    return {version.number: (version.stage.value, version.aliases) for version in reg.versions(name)}


def test_a_promotion_moves_stage_and_alias_and_archives_who_was_there(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    first = reg.promote(name, 1, "Production")
    second = reg.promote(name, 2, "production", because="better on roses")
    assert first.previous is None
    assert second.previous is not None
    assert (second.previous.number, second.version.number) == (1, 2)
    assert standing(reg, name) == {
        1: ("Archived", ()),
        2: ("Production", ("production",)),
        3: ("None", ()),
    }


def test_a_version_that_goes_from_staging_to_production_leaves_staging(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 1, "Staging")
    reg.promote(name, 1, "Production")
    assert standing(reg, name)[1] == ("Production", ("production",))


def test_archiving_takes_the_stages_aliases_and_leaves_the_users(
    reg: Registry, uri: str, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 1, "Production")
    MlflowClient(uri).set_registered_model_alias(name, "champion", "1")
    reg.promote(name, 1, "Archived")
    assert standing(reg, name)[1] == ("Archived", ("champion",))


def test_a_promotion_to_where_a_version_stands_moves_and_records_nothing(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 1, "Production")
    before = reg.history(name)
    again = reg.promote(name, 1, "Production")
    assert again.event is None
    assert reg.history(name) == before


def test_a_promotion_repairs_an_alias_that_was_moved_from_outside(
    reg: Registry, uri: str, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 1, "Production")
    MlflowClient(uri).set_registered_model_alias(name, "production", "2")
    reg.promote(name, 1, "Production")
    assert standing(reg, name)[1] == ("Production", ("production",))


def test_a_promotion_ends_with_one_version_where_outsiders_left_two(
    reg: Registry, uri: str, name: str, three: list[ModelVersion]
) -> None:
    from_outside(uri, name, 1, "Production")
    from_outside(uri, name, 2, "Production")
    reg.promote(name, 3, "Production")
    assert [stage for stage, _ in standing(reg, name).values()] == ["Archived", "Archived", "Production"]


@pytest.mark.parametrize("expect", [1, "none"])
def test_an_expectation_that_holds_lets_the_promotion_pass(
    reg: Registry, name: str, three: list[ModelVersion], expect: int
) -> None:
    if expect == 1:
        reg.promote(name, 1, "Production")
    assert reg.promote(name, 2, "Production", expect=expect).version.number == 2


@pytest.mark.parametrize("expect", [3, "none"])
def test_an_expectation_that_fails_moves_nothing_and_names_who_is_there(
    reg: Registry, name: str, three: list[ModelVersion], expect: int
) -> None:
    reg.promote(name, 1, "Production")
    before = standing(reg, name)
    with pytest.raises(ExpectationFailed, match="holds version 1"):
        reg.promote(name, 2, "Production", expect=expect)
    assert standing(reg, name) == before


def test_an_unknown_version_and_the_stage_none_are_refused(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    with pytest.raises(VersionNotFound, match="it has 1, 2, 3"):
        reg.promote(name, 9, "Production")
    with pytest.raises(InvalidStage, match="Archived"):
        reg.promote(name, 1, "None")


def test_a_reason_too_long_for_the_ledger_is_refused_before_anything_moves(
    sqlite_reg: Registry,
) -> None:
    with pytest.raises(InvalidReason, match="2001"):
        sqlite_reg.promote("absent", 1, "Production", because="x" * 2001)


def test_a_rollback_brings_back_the_version_before_and_twice_goes_back_twice(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    for number in (1, 2, 3):
        reg.promote(name, number, "Production")
    back = [reg.rollback(name, "Production", because="worse").version.number for _ in range(2)]
    assert back == [2, 1]
    assert standing(reg, name) == {
        1: ("Production", ("production",)),
        2: ("Archived", ()),
        3: ("Archived", ()),
    }
    with pytest.raises(NothingToRollBack, match="holds version 1"):
        reg.rollback(name, "Production")


def test_a_rollback_after_a_rollback_and_a_promotion_returns_to_the_one_before(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 1, "Production")
    reg.promote(name, 2, "Production")
    reg.rollback(name, "Production")
    reg.promote(name, 3, "Production")
    assert reg.rollback(name, "Production").version.number == 1


def test_a_rollback_refills_a_stage_that_was_archived_or_moved_away(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 1, "Production")
    reg.promote(name, 1, "Archived")
    assert reg.rollback(name, "Production").version.number == 1
    reg.promote(name, 2, "Production")
    reg.promote(name, 2, "Staging", "it is not ready", force=True)
    assert reg.rollback(name, "Production").version.number == 2


def test_production_is_not_emptied_by_a_move_to_staging_unless_that_is_said(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 1, "Production")
    before = standing(reg, name), reg.history(name)
    with pytest.raises(ProductionLeft, match=r"Version 1 .* would be empty.*Promote another one.*--force"):
        reg.promote(name, 1, "Staging")
    assert (standing(reg, name), reg.history(name)) == before
    with pytest.raises(InvalidReason, match="takes a reason"):
        reg.promote(name, 1, "Staging", force=True)
    reg.promote(name, 2, "Production")
    reg.promote(name, 1, "Staging")
    moved = reg.promote(name, 2, "Staging", "to look at it again", force=True)
    assert moved.event is not None
    assert (moved.event.kind.value, moved.event.because) == ("promoted", "to look at it again")
    assert standing(reg, name) == {1: ("Archived", ()), 2: ("Staging", ("staging",)), 3: ("None", ())}


def test_a_rollback_of_staging_takes_nothing_out_of_production(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 1, "Staging")
    reg.promote(name, 1, "Production")
    with pytest.raises(NothingToRollBack):
        reg.rollback(name, "Staging")
    assert standing(reg, name)[1] == ("Production", ("production",))


def test_a_rollback_passes_over_a_version_that_was_deleted(
    reg: Registry, uri: str, name: str, three: list[ModelVersion]
) -> None:
    for number in (1, 2, 3):
        reg.promote(name, number, "Production")
    MlflowClient(uri).delete_model_version(name, "2")
    assert reg.rollback(name, "Production").version.number == 1


def test_a_rollback_from_a_version_put_there_from_outside_returns_to_the_ledgers_last(
    reg: Registry, uri: str, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 1, "Production")
    from_outside(uri, name, 1, "Archived")
    from_outside(uri, name, 3, "Production")
    assert reg.rollback(name, "Production").version.number == 1


def test_a_rollback_of_an_untouched_stage_says_that_nothing_was_there(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    with pytest.raises(NothingToRollBack, match=r"holds no version.*stagewright history"):
        reg.rollback(name, "Production")


def test_promoters_at_once_end_with_one_version_by_stage_and_by_alias(server_uri: str, name: str) -> None:
    make_three(server_uri, name)
    reg = Registry(server_uri)

    def attempt(number: int) -> int | None:
        try:
            return Registry(server_uri).promote(name, number, "Production").version.number
        except PromotionLost:
            return None

    for _ in range(3):
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(attempt, (1, 2, 3)))
        now = standing(reg, name)
        [winner] = [number for number, (stage, _) in now.items() if stage == "Production"]
        assert now[winner][1] == ("production",)
