"""The ledger."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient

from registry import Event, EventKind, ModelNotFound, ModelVersion, Registry, Stage, tags
from registry.client import Client
from registry.connection import Address
from registry.ledger.history import record
from registry.ledger.standing import before

from .conftest import PackageMaker


def test_every_registration_promotion_and_rollback_is_told_oldest_first(
    reg: Registry, package: PackageMaker, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    start = datetime.now(UTC)
    for _ in range(2):
        reg.register(package(), name)
    reg.promote(name, 1, "Staging")
    reg.promote(name, 1, "Production", because="88 % on roses, “schön”")
    reg.promote(name, 2, "Production")
    reg.rollback(name, "Production", because="worse")
    reg.promote(name, 1, "Archived")
    events = reg.history(name)
    told = [
        (event.kind.value, event.version, event.from_stage.value, event.to_stage.value, event.previous)
        for event in events
    ]
    assert told == [
        ("registered", 1, "None", "None", None),
        ("registered", 2, "None", "None", None),
        ("promoted", 1, "None", "Staging", None),
        ("promoted", 1, "Staging", "Production", None),
        ("promoted", 2, "None", "Production", 1),
        ("rolled_back", 1, "Archived", "Production", 2),
        ("archived", 1, "Production", "Archived", None),
    ]
    assert [event.because for event in events[3:6]] == ["88 % on roses, “schön”", "", "worse"]
    assert {event.who for event in events} == {"ada"}
    assert start - timedelta(seconds=1) < events[0].at < datetime.now(UTC)


def test_a_promotion_gives_the_event_as_the_ledger_keeps_it(
    reg: Registry, name: str, three: list[ModelVersion]
) -> None:
    assert reg.promote(name, 1, "Staging", because="first").event == reg.history(name)[-1]


def test_an_event_is_a_tag_that_mlflow_shows(
    reg: Registry, uri: str, name: str, three: list[ModelVersion]
) -> None:
    event = reg.promote(name, 2, "Production", because="ok").event
    assert event is not None
    said = json.loads(MlflowClient(uri).get_registered_model(name).tags[tags.event(event.event_id)])
    assert (said["kind"], said["version"], said["because"]) == ("promoted", 2, "ok")


def test_no_event_of_writers_at_once_is_lost(
    reg: Registry, uri: str, name: str, three: list[ModelVersion]
) -> None:
    moment = datetime.now(UTC)
    client = Client(Address.find(uri))

    def write(number: int) -> None:
        record(client, name, Event(EventKind.REFUSED, number, Stage.STAGING, at=moment))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(12)))
    assert sorted(event.version for event in reg.history(name)) == list(range(12))


def test_the_longest_event_fits_into_a_registrys_column(
    sqlite_reg: Registry, sqlite_uri: str, name: str, package: PackageMaker
) -> None:
    sqlite_reg.register(package(), name)
    sqlite_reg.promote(name, 1, "Production", because='"' * 2000)
    values = MlflowClient(sqlite_uri).get_registered_model(name).tags.values()
    assert max(len(value) for value in values) <= 5000
    assert sqlite_reg.history(name)[-1].because == '"' * 2000


def test_the_history_of_an_unknown_model_says_so(sqlite_reg: Registry) -> None:
    with pytest.raises(ModelNotFound, match="'absent'"):
        sqlite_reg.history("absent")


@given(numbers=st.lists(st.integers(1, 5), min_size=2, max_size=12))
def test_rolling_back_as_often_as_possible_walks_the_promotions_backwards(numbers: list[int]) -> None:
    stood = [number for at, number in enumerate(numbers) if at == 0 or numbers[at - 1] != number]
    events = [Event(EventKind.PROMOTED, number, Stage.PRODUCTION) for number in stood]
    walked = [stood[-1]]
    while earlier := before(events, Stage.PRODUCTION):
        events.append(Event(EventKind.ROLLED_BACK, earlier[0], Stage.PRODUCTION))
        walked.append(earlier[0])
    assert walked == list(reversed(stood))
