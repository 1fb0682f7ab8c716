"""A history as a file: what is exported, what is checked, and that an imported one moves nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from jobs.cli import main
from registry import EventKind, Registry, Stage, UserError
from registry.ledger.exporting import document
from registry.ledger.look import Ledger

from .conftest import make_three
from .test_promotion import standing


@pytest.fixture
def moved(sqlite_reg: Registry, name: str, three_on_sqlite: None) -> Registry:
    for number in (1, 2):
        sqlite_reg.promote(name, number, "Production", "because")
    sqlite_reg.rollback(name, "Production")
    return sqlite_reg


@pytest.fixture
def other(registry_template: Path, tmp_path: Path) -> Registry:
    """Another registry, with three versions of `flowers` of which 3 is in Production."""
    file = tmp_path / "other.db"
    shutil.copy(registry_template, file)
    make_three(f"sqlite:///{file}", "flowers")
    registry = Registry(f"sqlite:///{file}")
    registry.promote("flowers", 3, "Production")
    return registry


@pytest.fixture
def exported(moved: Registry, name: str, tmp_path: Path) -> Path:
    file = tmp_path / "history.json"
    file.write_text(json.dumps(moved.exported(name)))
    return file


def changed(file: Path, change: Any) -> Path:
    said = json.loads(file.read_text())
    change(said)
    file.write_text(json.dumps(said))
    return file


def test_an_imported_history_is_told_with_its_origin_and_moves_nothing(
    moved: Registry, other: Registry, name: str, exported: Path
) -> None:
    before = standing(other, "flowers"), other.standing("flowers"), other.history("flowers")
    assert other.import_history("flowers", exported) == 3
    found = other.imported("flowers")
    assert [one.event for one in found] == moved.history(name)
    assert {(one.origin.model, one.origin.registry) for one in found} == {(name, str(moved.address))}
    assert (standing(other, "flowers"), other.standing("flowers"), other.history("flowers")) == before
    assert other.faults("flowers") == []
    assert other.promote("flowers", 2, "Production").previous.number == 3  # type: ignore[union-attr]
    assert other.rollback("flowers", "Production").version.number == 3
    assert other.standing("flowers").holder(Stage.PRODUCTION) == 3


def test_imported_twice_is_imported_once_and_a_later_export_adds_what_is_new(
    moved: Registry, other: Registry, name: str, exported: Path
) -> None:
    assert [other.import_history("flowers", exported) for _ in range(2)] == [3, 0]
    moved.promote(name, 3, "Staging")
    exported.write_text(json.dumps(moved.exported(name)))
    assert other.import_history("flowers", exported) == 1
    assert len(other.imported("flowers")) == 4


def test_an_import_that_was_cut_off_is_completed(other: Registry, exported: Path) -> None:
    other.import_history("flowers", exported)
    client = MlflowClient(str(other.address.tracking_uri))
    gone = next(tag for tag in client.get_registered_model("flowers").tags if "imported_event" in tag)
    client.delete_registered_model_tag("flowers", gone)
    assert other.import_history("flowers", exported) == 1


@pytest.mark.parametrize("user", ["ada:secret@", "token@", ""])
def test_an_export_names_its_registry_without_credentials(sqlite_reg: Registry, name: str, user: str) -> None:
    sqlite_reg._client.ensure_model(name)
    ledger = Ledger.shown(sqlite_reg._client, name)
    assert (
        document(ledger, f"https://{user}mlflow.example:5000/a")["registry"]
        == "https://mlflow.example:5000/a"
    )


BROKEN = {
    "a move is missing": (lambda said: said["events"].pop(1), "is not whole"),
    "two follow one": (
        lambda said: said["events"][2].update(parent=said["events"][1]["parent"]),
        "two moves follow",
    ),
    "an id twice": (lambda said: said["events"].append(said["events"][0]), "two events of one id"),
    "earlier than its parent": (
        lambda said: said["events"][2].update(at="2001-01-01T00:00:00+00:00"),
        "is out of order",
    ),
    "no stage": (lambda said: said["events"][0].update(to_stage="a b"), "'to_stage' is no stage"),
    "no events": (lambda said: said.pop("events"), "cannot be understood"),
    "another format": (lambda said: said.update(format="csv"), "its format is 'csv'"),
}


@pytest.mark.parametrize(("change", "said"), BROKEN.values(), ids=BROKEN)
def test_a_history_that_is_not_whole_is_refused(
    sqlite_reg: Registry, name: str, exported: Path, change: Any, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        sqlite_reg.import_history(name, changed(exported, change))
    assert sqlite_reg.imported(name) == []


def test_an_event_that_says_otherwise_than_before_is_refused(other: Registry, exported: Path) -> None:
    other.import_history("flowers", exported)
    changed(exported, lambda said: said["events"][0].update(because="another reason"))
    with pytest.raises(UserError, match=r"said otherwise.*nothing was written"):
        other.import_history("flowers", exported)
    assert other.imported("flowers")[0].event.because == "because"


def test_the_commands_write_read_and_show_it(
    moved: Registry, other: Registry, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    file = str(tmp_path / "exported.json")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(moved.address.tracking_uri))
    assert main(["history", name, "--export", file]) == 0
    assert main(["history", name, "--export", file]) == 2
    assert main(["history", name, "--export", file, "--at", "2026-01-01"]) == 2
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(other.address.tracking_uri))
    assert main(["history", "flowers", "--import", file]) == 0
    assert main(["history", "flowers", "--import", file]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "All of it was imported before."
    assert "is there already" in said.err
    assert main(["history", "flowers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"Imported from {name} in sqlite:///")
    assert lines[6] == "Here:"
    assert main(["history", "flowers", "--json"]) == 0
    events = json.loads(capsys.readouterr().out)
    assert ["imported" in event for event in events] == [True] * 3 + [False]
    assert events[-1]["kind"] == EventKind.PROMOTED
