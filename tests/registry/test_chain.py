"""Moves at once, moves cut short, moves by others."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from registry import EventKind, ModelVersion, PromotionLost, Registry, tags
from registry.client import Client
from registry.connection import Address
from registry.ledger.chain import Claimant
from registry.ledger.claims import claims_in
from registry.ledger.history import Event, composed, events_in, write
from registry.versions import Stage

from . import soak
from .conftest import make_three
from .test_promotion import standing
from .test_resolution import from_outside

# Promoters that skip the vote left 103 (SQLite) and 53 (PostgreSQL) faults in 15 rounds.
# `make soak-registry` has 1,000 rounds.
ROUNDS = 5


@pytest.mark.parametrize("which", ["sqlite_uri", "server_uri"], ids=["sqlite", "postgresql"])
def test_promoters_at_once_end_with_one_version_and_a_true_ledger(
    which: str, request: pytest.FixtureRequest
) -> None:
    tally = soak.soak(str(request.getfixturevalue(which)), ROUNDS)
    assert (tally.rounds, tally.wrong) == (ROUNDS, 0), tally.examples
    assert tally.moved >= ROUNDS


# --- a promoter killed between two of its calls


CHANGING = (
    "set_registered_model_tag",
    "delete_registered_model_tag",
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "transition_model_version_stage",
)


def killed_before_call(uri: str, act: Callable[[Registry], object], call: int) -> bool:
    """Run `act` in a process that ends by SIGKILL before its n-th change; False where it made fewer."""
    child = os.fork()
    if child == 0:
        _die_before(call)
        try:
            act(Registry(uri))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _die_before(call: int) -> None:
    made = 0

    def dying(original: Callable[..., Any]) -> Callable[..., Any]:
        def change(*args: Any, **kwargs: Any) -> Any:
            nonlocal made
            made += 1
            if made == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        return change

    for name in CHANGING:
        setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))


def _in_production(uri: str, name: str) -> list[int]:
    """As MLflow itself says."""
    found = MlflowClient(uri).search_model_versions(f"name = '{name}'")
    return sorted(int(version.version) for version in found if version.current_stage == "Production")


def as_told(reg: Registry, name: str) -> None:
    """What whoever looks is told to do; where there is nothing, what changes nothing."""
    _looked_at(str(reg.address.tracking_uri), name)
    told = re.search(r"`stagewright promote \S+ (\d) Production` completes it", str(reg.faults(name)))
    reg.promote(
        name, int(told[1]) if told else reg.resolve(f"models:/{name}/Production").number, "Production"
    )


NEXT: dict[str, Callable[[Registry, str], object]] = {
    "another move": lambda reg, name: reg.promote(name, 3, "Staging"),
    "as told": as_told,
}
READERS: dict[str, Callable[[Registry, str], object]] = {
    "history": lambda reg, name: reg.history(name),
    "standing": lambda reg, name: reg.standing(name),
    "resolve": lambda reg, name: reg.resolve(f"models:/{name}/Production"),
    "versions": lambda reg, name: reg.versions(name),
    "doctor": lambda reg, name: reg.faults(name),
}


@pytest.mark.parametrize("following", NEXT)
def test_a_promotion_killed_before_any_of_its_changes_is_finished_or_forgotten_by_the_next_move(
    sqlite_uri: str, following: str
) -> None:
    _kill_everywhere(sqlite_uri, following)


def test_a_promotion_by_a_server_killed_before_any_of_its_changes_is_repaired_too(server_uri: str) -> None:
    _kill_everywhere(server_uri, "another move")


def _kill_everywhere(uri: str, following: str) -> None:
    outcomes = []
    for call in range(1, 100):
        name = f"killed-{os.urandom(4).hex()}"
        make_three(uri, name)
        Registry(uri).promote(name, 1, "Production")
        killed = killed_before_call(uri, lambda reg, name=name: reg.promote(name, 2, "Production"), call)
        NEXT[following](Registry(uri), name)
        outcomes.append(_whole(uri, name))
        if not killed:
            break
    # Claim, claim, event, alias, stage, stage, claim: each is a place to be killed at, and none is another.
    assert len(outcomes) == 8
    # Before the second claim nobody knows what was to be moved; from then on the move is completed.
    assert outcomes == [1, 1, *[2] * 6]


def _looked_at(uri: str, name: str) -> None:
    """Whoever looks meanwhile changes nothing, and means a version that stands there by stage and by alias."""
    before = _everything(uri, name)
    for look in READERS.values():
        look(Registry(uri), name)
    assert _everything(uri, name) == before
    there = _in_production(uri, name)
    assert there
    assert Registry(uri).resolve(f"models:/{name}/Production").number in there


def _everything(uri: str, name: str) -> list[object]:
    """All that MLflow keeps of a model and its versions, times of change included."""
    client = MlflowClient(uri)
    versions = sorted(client.search_model_versions(f"name = '{name}'"), key=lambda found: int(found.version))
    return [dict(client.get_registered_model(name)), *map(dict, versions)]


def _whole(uri: str, name: str) -> int:
    """Which version is in Production: by stage, by alias, by the ledger, and with nothing left over."""
    [stands] = _in_production(uri, name)
    model = MlflowClient(uri).get_registered_model(name)
    assert int(model.aliases["production"]) == stands
    events = events_in(model.tags)
    # One that nobody accepted may stay, for its process's last request may still be on its way; it stops nobody.
    assert [claim for claim in claims_in(model.tags) if claim.accepted] == []
    assert [event.kind for event in events if event.kind is EventKind.SEEN] == []
    promoted = [event.version for event in events if event.to_stage is Stage.PRODUCTION]
    assert promoted == [1, 2][:stands]
    return stands


def test_a_rollback_that_was_killed_halfway_is_completed(sqlite_uri: str, name: str) -> None:
    make_three(sqlite_uri, name)
    for number in (1, 2):
        Registry(sqlite_uri).promote(name, number, "Production")
    assert killed_before_call(sqlite_uri, lambda reg: reg.rollback(name, "Production"), 5)
    reg = Registry(sqlite_uri)
    assert reg.history(name)[-1].kind is EventKind.ROLLED_BACK
    assert _in_production(sqlite_uri, name) == [2]
    assert reg.promote(name, 1, "Production").event is None
    assert reg.resolve(f"models:/{name}@production").number == 1
    assert _in_production(sqlite_uri, name) == [1]


def test_who_looks_at_an_unfinished_move_is_told_of_it_and_of_the_command_that_completes_it(
    sqlite_uri: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    make_three(sqlite_uri, name)
    Registry(sqlite_uri).promote(name, 1, "Production")
    assert killed_before_call(sqlite_uri, lambda reg: reg.promote(name, 2, "Production"), 4)
    for look in READERS.values():
        caplog.clear()
        found = look(Registry(sqlite_uri), name)
        said = caplog.text or str(found)
        assert f"A move of {name!r} is not complete: version 2 to Production" in said
        assert f"`stagewright promote {name} 2 Production` completes it" in said
    caplog.clear()
    Registry(sqlite_uri).promote(name, 2, "Production")
    assert f"Completes a move of {name!r} that was begun: version 2 to Production" in caplog.text
    caplog.clear()
    assert Registry(sqlite_uri).faults(name) == []
    Registry(sqlite_uri).history(name)
    assert caplog.text == ""


def test_writers_of_one_event_at_once_write_it_once(uri: str, name: str, three: list[ModelVersion]) -> None:
    client = Client(Address.find(uri))
    for _ in range(5):
        event = composed(Event(EventKind.REFUSED, 1, Stage.PRODUCTION))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _, event=event: write(client, name, event), range(4)))
    assert len(events_in(client.model(name).tags)) == 5


# --- who loses


def test_who_loses_is_told_to_whom_and_moves_nothing(
    reg: Registry, uri: str, name: str, three: list[ModelVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    reg.promote(name, 1, "Production")
    decide = Claimant.decide

    def beaten(self: Claimant, proposal: Event | None) -> Event | None:
        monkeypatch.setattr(Claimant, "decide", decide)
        with monkeypatch.context() as other:
            other.setenv("MLFLOW_TRACKING_USERNAME", "grace")
            Registry(uri).promote(name, 2, "Production")
        return decide(self, proposal)

    monkeypatch.setattr(Claimant, "decide", beaten)
    with pytest.raises(
        PromotionLost, match="version 2 went to Production at the same moment, moved by grace"
    ):
        reg.promote(name, 3, "Production")
    assert standing(reg, name)[2] == ("Production", ("production",))
    assert standing(reg, name)[3] == ("None", ())
    assert [event.version for event in reg.history(name)] == [1, 2]


def test_a_promotion_waits_behind_one_that_does_not_concern_it(
    reg: Registry, uri: str, name: str, three: list[ModelVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = Claimant.decide

    def second(self: Claimant, proposal: Event | None) -> Event | None:
        monkeypatch.setattr(Claimant, "decide", decide)
        Registry(uri).promote(name, 2, "Staging")
        return decide(self, proposal)

    monkeypatch.setattr(Claimant, "decide", second)
    reg.promote(name, 1, "Production")
    assert [(event.version, event.to_stage.value) for event in reg.history(name)] == [
        (2, "Staging"),
        (1, "Production"),
    ]


def test_a_proposal_that_another_accepted_wins_over_ones_own(
    sqlite_uri: str, name: str, three_on_sqlite: None
) -> None:
    client = Client(Address.find(sqlite_uri))
    first = composed(Event(EventKind.PROMOTED, 1, Stage.PRODUCTION))
    second = composed(Event(EventKind.PROMOTED, 2, Stage.PRODUCTION))
    cut_short = Claimant(client, name, "")
    cut_short._say(
        cut_short._claim.__class__("", cut_short._claim.process, 7, 7, first, first.at, "elsewhere", 1)
    )
    assert Claimant(client, name, "").decide(second) == first
    assert [event.version for event in events_in(client.model(name).tags)] == [1]


def test_a_voice_that_promised_to_a_later_ballot_is_heard(
    sqlite_uri: str, name: str, three_on_sqlite: None
) -> None:
    client = Client(Address.find(sqlite_uri))
    event = composed(Event(EventKind.PROMOTED, 1, Stage.PRODUCTION))
    later = Claimant(client, name, "")
    later._say(later._claim.__class__("", later._claim.process, 7, 0, None, event.at, "elsewhere", 1))
    mine = Claimant(client, name, "")
    assert mine.decide(event) == event
    assert mine._claim.promised > 7


# --- from outside


def test_what_was_moved_outside_is_in_the_history_as_seen(
    reg: Registry, uri: str, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 1, "Production")
    from_outside(uri, name, 2, "Staging")
    MlflowClient(uri).set_registered_model_alias(name, "production", "3")
    told = [
        (event.kind.value, event.version, event.from_stage.value, event.to_stage.value, event.who)
        for event in reg.history(name)[1:]
    ]
    assert told == [
        ("seen", 2, "None", "Staging", "outside"),
        ("seen", 3, "None", "None", "outside"),
    ]
    assert reg.history(name)[-1].more == {"alias": "production", "points_to": 3, "pointed_to": 1}
    assert len(reg.history(name)) == 3


def test_a_version_deleted_outside_is_seen_to_be_gone(
    reg: Registry, uri: str, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 1, "Production")
    MlflowClient(uri).delete_model_version(name, "1")
    [gone, *_] = reg.history(name)[1:]
    assert (gone.version, gone.to_stage, gone.more) == (1, Stage.NONE, {"deleted": True})
    assert reg.promote(name, 2, "Production").version.aliases == ("production",)


def test_what_was_moved_outside_is_shown_by_who_looks_and_written_by_who_moves(
    reg: Registry, uri: str, name: str, three: list[ModelVersion]
) -> None:
    from_outside(uri, name, 2, "Production")
    before = _everything(uri, name)
    for look in READERS.values():
        look(reg, name)
    assert [(event.kind, event.event_id) for event in reg.history(name)] == [(EventKind.SEEN, "")]
    assert _everything(uri, name) == before
    reg.promote(name, 3, "Staging")
    written = events_in(MlflowClient(uri).get_registered_model(name).tags)
    assert [event.kind for event in written] == [EventKind.SEEN, EventKind.PROMOTED]


def test_a_stage_and_an_alias_that_differ_are_a_fault_until_the_next_promotion(
    reg: Registry, uri: str, name: str, three: list[ModelVersion]
) -> None:
    reg.promote(name, 1, "Production")
    assert reg.faults(name) == []
    MlflowClient(uri).set_registered_model_alias(name, "production", "2")
    [(fault, step)] = reg.faults(name)
    assert "holds version 1, its alias 'production' points to version 2" in fault
    assert f"stagewright promote {name} 1 Production" in step
    reg.promote(name, 3, "Staging")
    assert reg.faults(name) == []
    assert standing(reg, name)[1] == ("Production", ("production",))


def test_the_ledger_tells_who_stood_where_at_any_time(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    first = reg.promote(name, 1, "Production").event
    second = reg.promote(name, 2, "Production").event
    assert first is not None
    assert second is not None
    assert reg.standing(name, first.at).holder(Stage.PRODUCTION) == 1
    assert reg.standing(name, second.at).holder(Stage.PRODUCTION) == 2
    assert reg.standing(name).holder(Stage.STAGING) is None


# --- a registry without stages


@pytest.fixture
def without_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Unity Catalog answers, and as a registry shows versions that have no stage."""

    def refused(*_: object, **__: object) -> None:
        raise MlflowException(
            "Method 'transition_model_version_stage' is unsupported for models in the Unity Catalog."
        )

    monkeypatch.setattr(MlflowClient, "transition_model_version_stage", refused)


def test_a_registry_that_refuses_stages_works_through_aliases_alone(
    reg: Registry, uri: str, name: str, three: list[ModelVersion], without_stages: None
) -> None:
    for number in (1, 2):
        reg.promote(name, number, "Production")
    reg.promote(name, 3, "Staging")
    assert reg.resolve(f"models:/{name}/Production").number == 2
    assert reg.resolve(f"models:/{name}@production").number == 2
    assert standing(reg, name) == {
        1: ("None", ()),
        2: ("Production", ("production",)),
        3: ("Staging", ("staging",)),
    }
    assert reg.rollback(name, "Production").version.number == 1
    reg.promote(name, 3, "Archived")
    assert (reg.faults(name), standing(reg, name)[3]) == ([], ("None", ()))
    MlflowClient(uri).set_registered_model_alias(name, "production", "3")
    assert reg.history(name)[-1].kind is EventKind.SEEN
    assert reg.standing(name).holder(Stage.PRODUCTION) == 3
    assert tags.WITHOUT_STAGES in MlflowClient(uri).get_registered_model(name).tags
