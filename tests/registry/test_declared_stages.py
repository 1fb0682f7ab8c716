"""Stages that a team declares: aliases that versions are moved to, gated, raced, rolled back and recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from registry import (
    DeclaredStage,
    EventKind,
    ExpectationFailed,
    GateRefused,
    Gates,
    InvalidStage,
    InvalidUri,
    NothingToRollBack,
    Promotion,
    PublicKey,
    Registry,
    Signer,
    UserError,
    declared_in,
)
from registry.ledger.chain import Claimant
from registry.ledger.claims import claims_in
from registry.ledger.history import Event
from registry.ledger.moves import Conditions
from registry.uri import ModelUri

from . import soak
from .conftest import make_three
from .test_chain import killed_before_call
from .test_promotion import standing

CANARY, EU = DeclaredStage("canary"), DeclaredStage("eu")
STAGES = """
[stages.canary]
[stages.eu]
after = ["canary"]
[stages.Production]
after = ["canary", "eu"]
"""


@pytest.fixture
def declared(tmp_path: Path) -> Callable[[str], Gates]:
    def write(text: str) -> Gates:
        file = tmp_path / "gates.toml"
        file.write_text(text)
        return Gates.load(file)

    return write


@pytest.fixture
def move(
    sqlite_reg: Registry, name: str, three_on_sqlite: None, declared: Callable[[str], Gates]
) -> Callable[..., Promotion]:
    """Promotes as the command line does, by the judge of the stage."""
    gates = declared(STAGES)

    def promote(number: int, stage: str, **more: object) -> Promotion:
        conditions: Conditions = {"judge": gates.of(stage), **more}  # type: ignore[typeddict-item]
        return sqlite_reg.promote(name, number, stage, "tried", **conditions)

    return promote


def told(reg: Registry, name: str) -> list[tuple[str, int, str, str, int | None]]:
    return [
        (event.kind.value, event.version, event.from_stage.value, event.to_stage.value, event.previous)
        for event in reg.history(name)
    ]


# --- moved like Production


def test_a_version_stands_in_several_declared_stages_and_one_of_mlflows(
    sqlite_reg: Registry, name: str, move: Callable[..., Promotion]
) -> None:
    for stage in ("canary", "eu", "Production"):
        assert move(2, stage).event is not None
    assert standing(sqlite_reg, name)[2] == ("Production", ("canary", "eu", "production"))
    moved = move(3, "canary")
    assert moved.previous is not None
    assert (moved.previous.number, moved.stage) == (2, CANARY)
    assert standing(sqlite_reg, name) == {
        1: ("None", ()),
        2: ("Production", ("eu", "production")),
        3: ("None", ("canary",)),
    }
    assert told(sqlite_reg, name) == [
        ("promoted", 2, "None", "canary", None),
        ("promoted", 2, "None", "eu", None),
        ("promoted", 2, "None", "Production", None),
        ("promoted", 3, "None", "canary", 2),
    ]
    assert sqlite_reg.resolve(f"models:/{name}@canary").number == 3
    assert sqlite_reg.faults(name) == []


def test_the_same_promotion_again_moves_nothing(move: Callable[..., Promotion]) -> None:
    move(1, "canary")
    assert move(1, "canary").event is None


def test_making_room_in_production_leaves_declared_stages_and_archiving_does_not(
    sqlite_reg: Registry, name: str, move: Callable[..., Promotion]
) -> None:
    for number in (1, 2):
        move(number, "canary")
        sqlite_reg.promote(name, number, "Production")
    move(1, "canary")
    assert standing(sqlite_reg, name)[1] == ("Archived", ("canary",))
    sqlite_reg.promote(name, 3, "Production")
    assert standing(sqlite_reg, name)[2] == ("Archived", ())
    assert sqlite_reg.promote(name, 1, "Archived").event is not None
    assert standing(sqlite_reg, name)[1] == ("Archived", ())
    assert sqlite_reg.standing(name).holder(CANARY) is None


def test_expect_compares_with_who_holds_the_declared_stage(
    sqlite_reg: Registry, name: str, move: Callable[..., Promotion]
) -> None:
    move(1, "canary", expect="none")
    with pytest.raises(ExpectationFailed, match=r"canary of .* holds version 1, not 3"):
        move(2, "canary", expect=3)
    assert move(2, "canary", expect=1).version.aliases == ("canary",)


def test_a_rollback_needs_no_file_and_goes_back_twice(
    sqlite_reg: Registry, name: str, move: Callable[..., Promotion]
) -> None:
    for number in (1, 2, 3):
        move(number, "canary")
    assert [sqlite_reg.rollback(name, "canary").version.number for _ in range(2)] == [2, 1]
    with pytest.raises(NothingToRollBack, match="canary"):
        sqlite_reg.rollback(name, "canary")
    with pytest.raises(InvalidStage, match=r"was ever moved to a stage .eu.") as caught:
        sqlite_reg.rollback(name, "eu")
    assert "Production, Staging, canary" in caught.value.hint


def test_readers_learn_the_stages_from_the_ledger_and_who_stood_there_when(
    sqlite_reg: Registry, name: str, move: Callable[..., Promotion]
) -> None:
    first, second = move(1, "canary").event, move(2, "canary").event
    assert first is not None
    assert second is not None
    assert declared_in(sqlite_reg.history(name)) == [CANARY]
    held = [sqlite_reg.standing(name, event.at).holder(CANARY) for event in (first, second)]
    assert held == [1, 2]


def test_a_registry_without_stages_has_declared_ones(
    sqlite_reg: Registry, name: str, move: Callable[..., Promotion], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.exceptions import MlflowException

    def refused(*_: object, **__: object) -> None:
        raise MlflowException(
            "transition_model_version_stage is unsupported for models in the Unity Catalog."
        )

    monkeypatch.setattr(MlflowClient, "transition_model_version_stage", refused)
    sqlite_reg.promote(name, 1, "Production")
    move(1, "canary")
    assert standing(sqlite_reg, name)[1] == ("Production", ("canary", "production"))
    assert sqlite_reg.faults(name) == []


# --- the order


def test_a_promotion_out_of_order_is_refused_with_what_is_missing(
    sqlite_reg: Registry, name: str, move: Callable[..., Promotion]
) -> None:
    move(1, "canary")
    with pytest.raises(GateRefused, match=r"1 of 2 gates: after-eu; nothing was moved") as caught:
        move(1, "Production")
    passed, missing = caught.value.verdicts
    assert (passed.gate, passed.passed) == ("after-canary", True)
    assert (missing.gate, missing.found) == ("after-eu", "never moved there")
    assert missing.next_step == f"stagewright promote {name} 1 eu"
    refusal = sqlite_reg.history(name)[-1]
    assert (refusal.kind, refusal.to_stage.value) == (EventKind.REFUSED, "Production")
    move(1, "eu")
    move(2, "canary")  # having stood there is enough
    assert move(1, "Production").version.stage.value == "Production"


def test_force_overrides_the_order_and_the_ledger_says_so(
    sqlite_reg: Registry, name: str, move: Callable[..., Promotion]
) -> None:
    assert move(1, "eu", force=True).event.kind is EventKind.OVERRIDDEN  # type: ignore[union-attr]
    assert standing(sqlite_reg, name)[1] == ("None", ("eu",))


def test_an_alias_set_outside_is_taken_over_and_has_passed_nothing(
    sqlite_reg: Registry, sqlite_uri: str, name: str, move: Callable[..., Promotion]
) -> None:
    MlflowClient(sqlite_uri).set_registered_model_alias(name, "canary", "2")
    assert sqlite_reg.history(name) == []  # the user's own alias, as long as nobody moved a version there
    with pytest.raises(GateRefused, match="after-canary"):
        move(2, "eu")
    moved = move(2, "canary")  # which stands there by no move of ours, and so is judged
    assert moved.event is not None
    assert [event[:2] for event in told(sqlite_reg, name)] == [("refused", 2), ("seen", 2), ("promoted", 2)]
    assert move(2, "eu").event is not None
    MlflowClient(sqlite_uri).set_registered_model_alias(name, "canary", "3")
    seen = sqlite_reg.history(name)[-1]
    assert (seen.kind, seen.more["alias"], seen.more["points_to"]) == (EventKind.SEEN, "canary", 3)


# --- gates of a declared stage


def test_a_declared_stage_has_gates_of_its_own(
    sqlite_reg: Registry, name: str, three_on_sqlite: None, declared: Callable[[str], Gates]
) -> None:
    gates = declared("[stages]\ncanary = {}\n[canary.tags]\nowner = true\n")
    with pytest.raises(GateRefused, match=r"refused for canary by 1 of 1 gates"):
        sqlite_reg.promote(name, 1, "canary", judge=gates.of("canary"))
    MlflowClient(str(sqlite_reg.address.tracking_uri)).set_model_version_tag(name, "1", "owner", "ada")
    assert sqlite_reg.promote(name, 1, "canary", judge=gates.of("canary")).version.aliases == ("canary",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[stages.v3]", "'v3' is no stage"),
        ("[stages.Latest]", "'Latest' is no stage"),
        ("[stages.production]", "'production' is no stage"),
        ('[stages."a b"]', "'a b' is no stage"),
        ("[stages.hooks]", "name of another table"),
        ("[stages.eu]\n[stages.EU]", "differs from 'eu' in case only"),
        (
            '[stages.eu]\nafter = ["canary"]',
            "'canary', which is no stage here; there are Staging, Production, eu",
        ),
        ('[stages.eu]\nafter = "Staging"', "is not a list"),
        ("[stages.eu]\nbefore = []", "'before' is unknown here"),
        ('[stages]\na = {after = ["b"]}\nb = {after = ["a"]}', "in no order: a after b after a"),
        ("stages = 3", "'stages' is not a table"),
        ("[canary]\nno_pickle = true", "'canary' is no stage with gates; there are Staging, Production"),
    ],
)
def test_a_mistake_in_the_stages_is_told(declared: Callable[[str], Gates], text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        declared(text)
    assert said in str(caught.value).replace("b after a after b", "a after b after a")


def test_an_undeclared_stage_is_refused_with_the_declared_ones(
    sqlite_reg: Registry, name: str, three_on_sqlite: None, declared: Callable[[str], Gates]
) -> None:
    with pytest.raises(
        InvalidStage, match=r"'us'; there are .*Production, Archived, and declared: canary, eu"
    ):
        declared(STAGES).of("us")
    with pytest.raises(InvalidStage, match=r"'canary'.*others are declared in gates.toml"):
        sqlite_reg.promote(name, 1, "canary")
    assert sqlite_reg.history(name) == []


def test_a_stage_of_the_teams_is_named_by_its_alias_in_a_reference() -> None:
    with pytest.raises(InvalidUri, match="models:/NAME@alias"):
        ModelUri.parse("models:/flowers/canary")


# --- at once, killed, signed


@pytest.mark.parametrize("which", ["sqlite_uri", "server_uri"], ids=["sqlite", "postgresql"])
def test_promoters_at_once_end_with_one_version_and_a_true_ledger(
    which: str, request: pytest.FixtureRequest
) -> None:
    tally = soak.soak(str(request.getfixturevalue(which)), 5, stage=CANARY)
    assert (tally.rounds, tally.wrong) == (5, 0), tally.examples
    assert tally.moved >= 5


def test_a_promotion_killed_before_any_of_its_changes_is_finished_or_forgotten(sqlite_uri: str) -> None:
    outcomes = []
    for call in range(1, 100):
        name = f"killed-{call}"
        make_three(sqlite_uri, name)
        reg = Registry(sqlite_uri)
        reg.promote(name, 1, CANARY)
        killed = killed_before_call(sqlite_uri, lambda reg, name=name: reg.promote(name, 2, CANARY), call)
        reg.promote(name, 3, "Staging")
        model = MlflowClient(sqlite_uri).get_registered_model(name)
        assert [claim for claim in claims_in(model.tags) if claim.accepted] == []
        assert reg.standing(name).holder(CANARY) == int(model.aliases["canary"])
        assert EventKind.SEEN not in [event.kind for event in reg.history(name)]
        outcomes.append(int(model.aliases["canary"]))
        if not killed:
            break
    # Claim, claim, event, alias, claim.
    assert outcomes == [1, 1, 2, 2, 2, 2]


def test_a_move_to_another_declared_stage_at_the_same_moment_spoils_nothing(
    sqlite_reg: Registry, name: str, move: Callable[..., Promotion], monkeypatch: pytest.MonkeyPatch
) -> None:
    move(1, "canary")
    decide = Claimant.decide

    def second(self: Claimant, proposal: Event | None) -> Event | None:
        monkeypatch.setattr(Claimant, "decide", decide)
        sqlite_reg.promote(name, 1, "Production")
        return decide(self, proposal)

    monkeypatch.setattr(Claimant, "decide", second)
    move(1, "eu")
    assert standing(sqlite_reg, name)[1] == ("Production", ("canary", "eu", "production"))


def test_a_signed_move_to_a_declared_stage_verifies(
    sqlite_reg: Registry, name: str, three_on_sqlite: None, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    file = tmp_path / "ada.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    signer = Signer.read(file)
    sqlite_reg.promote(name, 1, EU, signer=signer)
    trusted: list[PublicKey] = [signer.public]
    assert [audited.signature.value for audited in sqlite_reg.audit(name, trusted)] == ["verifies"]
