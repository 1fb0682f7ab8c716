"""How things stand, on one screen; and in what two versions differ."""

import json
from pathlib import Path

import pytest
from safetensors.torch import save_file

from jobs.cli import main
from mlruns_fixture import LABELS, ColourNet
from mlruns_fixture.build import Fixture
from registry import Outcome, Registry

PREPARED = ("--resize", "40", "--crop", "32", "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5")
NET = ("--architecture", "mlruns_fixture.tiny:ColourNet", "--arg", "sharpness=3.0")


def ask(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    assert main(list(command)) == 0
    return capsys.readouterr().out


def test_status_shows_stages_moves_and_jobs(fixture: Fixture, capsys: pytest.CaptureFixture[str]) -> None:
    registry = Registry(fixture.uri)
    version = registry.resolve("models:/colours/Production")
    run = registry.start_run("jobs", "score colours 2\x1b[31m", {}, version)
    registry.finish_run(run, Outcome(metrics={"rows": 1200.0, "error_rate": 0.015}))
    shown = ask(capsys, "status", "colours")
    assert "colours: 2 versions, the newest is 2" in shown
    assert f"Production  {version.number} " in shown
    assert "FINISHED  1,200  1.50 %" in shown
    assert run in shown
    assert "\x1b" not in shown
    [said] = json.loads(ask(capsys, "status", "--json"))
    assert said["name"] == "colours"
    assert said["stages"]["Production"]["version"] == version.number
    assert said["jobs"][0]["metrics"]["rows"] == 1200.0
    assert said["moves"][-1]["kind"] == "promoted"


def test_status_without_models_or_with_a_name_that_is_not_there(
    fixture: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    assert ask(capsys, "status") == "No model is registered here.\n"
    assert json.loads(ask(capsys, "status", "--json")) == []


def test_diff_names_weights_labels_preprocessing_and_tags(
    fixture: Fixture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = [f"{each}?" if each == LABELS[0] else each for each in LABELS]
    (tmp_path / "labels.txt").write_text("\n".join(labels))
    save_file(ColourNet(2.5).state_dict(), tmp_path / "other.safetensors")
    weights = ("--weights", str(tmp_path / "other.safetensors"), "--labels", str(tmp_path / "labels.txt"))
    own = (*weights, *PREPARED, "--interpolation", "bicubic", "--tag", "team=shop")
    assert main(["register", "colours", *NET, *own]) == 0
    capsys.readouterr()
    said = json.loads(ask(capsys, "diff", "models:/colours/1", "models:/colours/3", "--json"))
    found = {each["part"]: (each["first"], each["second"]) for each in said["differs"]}
    assert found["label 0"] == (LABELS[0], f"{LABELS[0]}?")
    assert found["preprocess interpolation"] == ('"bilinear"', '"bicubic"')
    assert found["team"] == ("-", "shop")
    assert {"stagewright.digest.weights", "stagewright.model_digest"} <= found.keys()
    assert "stagewright.manifest_digest" not in found
    quick = ask(capsys, "diff", "models:/colours/1", "models:/colours/3", "--tags-only")
    assert "team" in quick
    assert "label 0" not in quick


def test_a_version_differs_from_itself_in_nothing(
    fixture: Fixture, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "differ in nothing" in ask(capsys, "diff", "models:/colours/1", "models:/colours/1")
    assert main(["diff", "models:/colours/1", "models:/colours/77"]) == 2
