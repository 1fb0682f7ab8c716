"""`stagewright promote` with gates: the table it shows, what it moves and what it records."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.cli import main
from registry import Evidence, Registry

GATES = """
[Production]
no_pickle = true
[[Production.metrics]]
metric = "top1"
dataset = "shop"
threshold = 0.8
max_drop = 0
"""


@pytest.fixture
def here(fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with gates; version 1 of `colours` is in Production."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "gates.toml").write_text(GATES)
    monkeypatch.chdir(folder)
    return folder


def evaluated(number: int, top1: float) -> None:
    registry = Registry()
    said = Evidence("shop", "ab" * 32, "f32", "f" * 32, datetime.now(UTC), {"top1": top1}).as_tags()
    registry.set_version_tags(registry.resolve(f"models:/colours/{number}"), said)


def production() -> int:
    return Registry().resolve("models:/colours/Production").number


def test_a_better_version_passes_and_the_table_says_by_how_much(here, capsys) -> None:
    evaluated(1, 0.9)
    evaluated(2, 0.95)
    assert main(["promote", "colours", "2", "Production"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()) for line in lines[:4]] == [
        "GATE FOUND WANTED VERDICT",
        "top1 0.95 >= 0.8 on shop at f32 passed",
        "top1-max_drop 0.95, version 1 0.9 (+0.05) at most 0 worse on shop at f32 passed",
        "no-pickle none no pickled part passed",
    ]
    assert len({line.index("passed") for line in lines[1:4]}) == 1
    assert production() == 2


def test_a_worse_version_is_refused_with_figures_and_nothing_moves(here, capsys) -> None:
    evaluated(1, 0.9)
    evaluated(2, 0.85)
    assert main(["promote", "colours", "2", "Production", "--because", "try"]) == 1
    said = capsys.readouterr()
    [failed] = [line for line in said.out.splitlines() if line.endswith("FAILED")]
    assert failed.split()[:2] == ["top1-max_drop", "0.85,"]
    assert "version 1 0.9 (-0.05)" in failed
    assert "--force --because TEXT" in said.err
    assert production() == 1
    assert main(["history", "colours"]) == 0
    assert "refused" in capsys.readouterr().out.splitlines()[-1]


def test_force_moves_it_and_history_says_overridden_and_why(here, capsys) -> None:
    evaluated(1, 0.9)
    evaluated(2, 0.85)
    because = "version 1 leaks memory"
    assert main(["promote", "colours", "2", "Production", "--force", "--because", because]) == 0
    assert "FAILED" in capsys.readouterr().out
    assert production() == 2
    assert main(["history", "colours"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert "overridden" in last
    assert because in last


def test_force_takes_a_reason(here, capsys) -> None:
    assert main(["promote", "colours", "2", "Production", "--force"]) == 2
    assert "--because" in capsys.readouterr().err
    assert production() == 1


def test_missing_evidence_is_told_with_the_command_that_makes_it(here, capsys) -> None:
    assert main(["promote", "colours", "2", "Production"]) == 1
    [step] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Next: ")]
    assert step == "Next: stagewright evaluate models:/colours/2 --images DIR --labels CSV --dataset shop"


def test_a_stage_without_gates_asks_for_nothing(here, capsys) -> None:
    assert main(["promote", "colours", "1", "Staging", "--force", "--because", "to look at it again"]) == 0
    said = capsys.readouterr()
    assert "GATE" not in said.out
    assert said.err == ""


def test_without_a_file_it_says_that_no_gates_are_declared(here, capsys) -> None:
    (here / "gates.toml").unlink()
    assert main(["promote", "colours", "2", "Production"]) == 0
    said = capsys.readouterr()
    assert "No gates are declared" in said.err
    assert "GATE" not in said.out


def test_gates_may_be_in_another_file_which_must_be_there(here, capsys) -> None:
    (here / "gates.toml").rename(here / "release.toml")
    assert main(["promote", "colours", "2", "Production", "--gates", "release.toml"]) == 1
    assert main(["promote", "colours", "2", "Production", "--gates", "gates.toml"]) == 2
    assert "There is no file 'gates.toml'" in capsys.readouterr().err
    assert production() == 1


def test_a_typo_is_told_before_anything_moves(here, capsys) -> None:
    (here / "gates.toml").write_text("[Production]\nno_pickels = true\n")
    assert main(["promote", "colours", "2", "Production"]) == 2
    said = capsys.readouterr().err
    assert "gates.toml: [Production] 'no_pickels' is unknown here" in said
    assert "no_pickle" in said
    assert production() == 1


STAGES = """
[stages.canary]
[stages.eu]
after = ["canary"]
"""


def test_a_declared_stage_is_promoted_shown_and_rolled_back(here, capsys) -> None:
    (here / "gates.toml").write_text(STAGES)
    assert main(["promote", "colours", "1", "canary"]) == 0
    assert main(["promote", "colours", "2", "canary", "--because", "softer"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4:] == [
        "colours version 2 is in canary now.",
        "Version 1 made room.",
        "Next: stagewright score models:/colours@canary --input … --output …",
        "Back: stagewright rollback colours canary --because …",
    ]
    (here / "gates.toml").unlink()
    assert main(["history", "colours", "--at", "2100-01-01"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[:2] == ["canary", "2"]
    assert main(["rollback", "colours", "canary"]) == 0
    assert Registry().resolve("models:/colours@canary").number == 1


def test_a_stage_out_of_order_or_undeclared_is_refused(here, capsys) -> None:
    (here / "gates.toml").write_text(STAGES)
    assert main(["promote", "colours", "1", "eu"]) == 1
    said = capsys.readouterr()
    assert "Next: stagewright promote colours 1 canary" in said.out
    assert "gates: after-canary; nothing was moved" in said.err
    assert main(["promote", "colours", "1", "us"]) == 2
    assert "declared: canary, eu. Declare it in gates.toml, as `[stages.us]`" in capsys.readouterr().err
    assert main(["promote", "colours", "2", "Canary"]) == 2
