"""`stagewright approve`, `--private-key` and `history --public-key` as a user meets them."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from jobs.cli import cli, main
from registry import Registry, tags
from registry.trust import policy, statements
from tests.registry.test_signing import key_pair


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the keys of ada, grace and locked, whose password is `open`; nothing is configured."""
    for variable in (policy.FILE_VARIABLE, statements.KEY_VARIABLE, statements.PASSWORD_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "keys"
    for name, password in (("ada", ""), ("grace", ""), ("locked", "open")):
        key_pair(folder, name, password)
    monkeypatch.chdir(folder)
    return folder


def test_a_signed_move_is_shown_with_the_file_of_its_key(fixture, monkeypatch, capsys) -> None:
    assert main(["promote", "colours", "2", "Production", "--private-key", "ada.pem"]) == 0
    monkeypatch.setenv("SECRET", "open")
    locked = ["--private-key", "locked.pem", "--password-env", "SECRET"]
    assert main(["rollback", "colours", "Production", "--because", "worse", *locked]) == 0
    capsys.readouterr()
    assert main(["history", "colours", "--public-key", "ada.pub", "--public-key", "locked.pub"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    signed = [line[header.index("SIGNED") :].split("  ")[0] for line in lines]
    assert signed[:4] == ["not signed"] * 4
    assert signed[4].startswith("verifies: ada.pub (")
    assert signed[5].startswith("verifies: locked.pub (")
    assert lines[5].endswith("worse")
    assert main(["history", "colours", "--public-key", "ada.pub", "--json"]) == 0
    [*_, moved, back] = json.loads(capsys.readouterr().out)
    assert (moved["signature"], len(moved["signed_by"][0]), moved["faults"]) == ("verifies", 64, [])
    assert back["signature"] == "signed by another key"
    assert moved["recorded"] is True


def test_a_changed_event_is_shown_as_one_and_looking_at_it_is_no_failure(fixture, capsys) -> None:
    assert main(["promote", "colours", "2", "Production", "--private-key", "ada.pem"]) == 0
    event = Registry().history("colours")[-1]
    said = json.dumps(event.document() | {"who": "mallory"})
    MlflowClient().set_registered_model_tag("colours", tags.event(event.event_id), said)
    capsys.readouterr()
    assert main(["history", "colours", "--public-key", "ada.pub"]) == 0
    *_, moved, fault = capsys.readouterr().out.splitlines()
    assert "does not verify" in moved
    assert fault.startswith(f"{event.event_id}, version 2: the signature by ")


def test_looking_at_an_unfinished_move_is_one_line_beside_the_answer(fixture, capsys, caplog) -> None:
    [*_, last] = Registry().history("colours")
    text = json.dumps(
        {"promised": 0, "accepted": 0, "at": last.at.isoformat(), "host": "there", "pid": 1, "event": None}
    )
    MlflowClient().set_registered_model_tag("colours", tags.claim(last.parent, "cafe"), text)
    MlflowClient().set_registered_model_alias("colours", "staging", "1")
    MlflowClient().set_registered_model_tag("colours", tags.event("0"), "{}")
    capsys.readouterr()
    for command in (["resolve", "models:/colours/2"], ["versions", "colours"], ["history", "colours"]):
        caplog.clear()
        assert main([*command, "--json"]) == 0
        json.loads(capsys.readouterr().out)
        malformed, unfinished = (record.getMessage() for record in caplog.records)
        assert malformed.startswith("The tag 'stagewright.event.0' is passed over: ")
        assert "`stagewright promote colours 2 Staging` completes it" in unfinished
    assert MlflowClient().get_registered_model("colours").aliases["staging"] == 1


def test_two_approvals_open_a_stage_that_asks_for_them(fixture, keys, capsys) -> None:
    (keys / "gates.toml").write_text('[Production]\nsignatures = 2\npublic_keys = ["ada.pub", "grace.pub"]\n')
    promote = ["promote", "colours", "2", "Production"]
    assert main(promote) == 1
    assert "Next: stagewright approve colours 2 Production --private-key FILE" in capsys.readouterr().out
    assert main(["approve", "colours", "2", "production", "--private-key", "ada.pem", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    version = Registry().resolve("models:/colours/2")
    assert (said["uri"], said["stage"]) == ("models:/colours/2", "Production")
    assert said["manifest_digest"] == version.manifest_digest
    assert main(promote) == 1
    assert main(["approve", "colours", "2", "Production", "--private-key", "grace.pem"]) == 0
    assert str(version.manifest_digest) in capsys.readouterr().out
    assert main(promote) == 0


def test_a_policy_lets_only_moves_of_its_keys_count(fixture, capsys) -> None:
    assert main(["policy", "colours", "--move-key", "ada.pub"]) == 0
    assert "counts moves that are signed by " in capsys.readouterr().out
    assert main(["promote", "colours", "2", "Production"]) == 1
    assert "no key was given" in capsys.readouterr().err
    assert main(["promote", "colours", "2", "Production", "--private-key", "grace.pem"]) == 1
    assert main(["promote", "colours", "2", "Production", "--private-key", "ada.pem"]) == 0
    capsys.readouterr()
    assert main(["history", "colours", "--at", "2999-01-01", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stages"]["Production"]["version"] == 2


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["promote", "colours", "2", "Production", "--private-key", "absent.pem"], "cannot be read"),
        (["promote", "colours", "2", "Production", "--private-key", "ada.pub"], "is no private key in PEM"),
        (["promote", "colours", "2", "Production", "--private-key", "locked.pem"], "--password-env NAME"),
        (["rollback", "colours", "Production", "--password-env", "SECRET"], "only with --private-key"),
        (["approve", "colours", "2", "Production"], "Give a key"),
        (["approve", "colours", "2", "Archived", "--private-key", "ada.pem"], "Archived"),
        (["history", "colours", "--public-key", "ada.pem"], "is no public key in PEM"),
        (["history", "colours", "--public-key", "ada.pub", "--at", "2030-01-01"], "do not go together"),
        (["evaluate", "models:/colours/1", "--images", ".", "--labels", "x", "--private-key", "no"], "cannot be read"),
        (["compare", "models:/colours/1", "models:/colours/2", "--input", ".", "--output", "x", "--private-key", "no"],
         "cannot be read"),
    ],
)  # fmt: skip
def test_a_mistake_with_keys_is_told_before_anything_moves(fixture, command, said, capsys) -> None:
    before = Registry().history("colours")
    assert main(command) == 2
    assert said in capsys.readouterr().err
    assert Registry().history("colours") == before


def test_the_commands_that_write_figures_and_moves_take_a_key() -> None:
    for name in ("promote", "rollback", "evaluate", "compare", "approve"):
        options = {option for parameter in cli.commands[name].params for option in parameter.opts}
        assert options >= {"--private-key", "--password-env"}
