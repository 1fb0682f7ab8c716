"""The command as a user meets it: documents on stdout, all else on stderr, exit codes, no tracebacks."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import torch
from mlflow.tracking import MlflowClient
from safetensors.torch import save_file

from jobs.cli import cli, main
from mlruns_fixture import LABELS, ColourNet
from mlruns_fixture.build import Fixture
from mlruns_fixture.photos import draw_golden
from registry import Registry
from tests.clusters import Finished, run_command, run_python


def commands(group: click.Group = cli) -> Iterator[click.Command]:
    yield group
    yield from group.commands.values()


@pytest.mark.parametrize("command", list(commands()), ids=lambda command: command.name)
def test_every_command_and_every_option_has_help(command: click.Command) -> None:
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{command.name} {parameter.opts}"


def test_the_commands_and_options_are_those_of_the_contract() -> None:
    options = {
        name: {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
        for name, command in cli.commands.items()
    }
    assert {
        "register",
        "versions",
        "resolve",
        "history",
        "promote",
        "rollback",
        "score",
        "doctor",
        "demo",
    } <= set(options)
    assert options["score"] >= {
        "--input", "--output", "--input-format", "--content-column", "--keep", "--output-format", "--precision",
        "--batch-size", "--top-k", "--max-error-rate", "--master", "--conf", "--json",
    }  # fmt: skip
    assert options["register"] >= {
        "--architecture", "--arg", "--weights", "--labels", "--preprocess", "--resize", "--crop", "--interpolation",
        "--mean", "--std", "--kind", "--precision", "--golden", "--min-agreement", "--tag", "--json",
    }  # fmt: skip
    assert options["promote"] >= {"--because", "--expect"}
    for reading in ("versions", "resolve", "history"):
        assert "--json" in options[reading]


def test_a_command_line_is_understood_before_mlflow_torch_and_spark_are_imported() -> None:
    source = """
        import sys
        from jobs.cli import main
        print(main(["--help"]), sorted({"mlflow", "pandas", "pyspark", "torch"} & set(sys.modules)))
    """
    root = str(Path(__file__).parents[2])
    said = run_python(source, env={"PYTHONPATH": root}, timeout_s=120).check().stdout
    assert said.splitlines()[-1] == "0 []"


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_command_ends_as_python_does_but_for_what_it_imported(code) -> None:
    source = f"""
        import atexit, os, threading, time
        import jobs.__main__ as entry
        atexit.register(lambda: print("cleaned up"))
        threading.Thread(target=lambda: (time.sleep(0.2), print("the thread ended"))).start()
        class Imported:
            def __del__(self): os.write(1, b"taken apart")
        entry.imported = Imported()
        entry.main = lambda: {code}
        entry.command()
    """
    ended = run_python(source, env={"PYTHONPATH": str(Path(__file__).parents[2])}, timeout_s=120)
    assert (ended.returncode, ended.stdout) == (code, "the thread ended\ncleaned up\n")


def test_a_command_whose_reader_has_gone_ends_with_a_code_that_says_so() -> None:
    source = """
        import os, sys
        import jobs.__main__ as entry
        os.close(1)
        entry.main = lambda: print("to nobody") or 0
        entry.command()
    """
    ended = run_python(source, env={"PYTHONPATH": str(Path(__file__).parents[2])}, timeout_s=120)
    assert ended.returncode not in (0, None)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    file = tmp_path / "weights.safetensors"
    save_file(ColourNet(3.0).state_dict(), file)
    return file


def register(weights: Path, *more: str) -> int:
    prepared = ("--resize", "40", "--crop", "32", "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5")
    architecture = ("--architecture", "mlruns_fixture.tiny:ColourNet", "--arg", "sharpness=3.0")
    return main(["register", "colours", *architecture, "--weights", str(weights), *prepared, *more])


def test_register_prints_the_version_and_says_what_to_do_next(fixture, weights, tmp_path, capsys) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(LABELS) + "\n")
    assert register(weights, "--labels", str(labels), "--tag", "team=shop") == 0
    said = capsys.readouterr()
    assert said.out == "models:/colours/3\n"
    assert "stagewright promote colours 3 Staging" in said.err
    version = Registry().resolve("models:/colours/3")
    assert version.user_tags == {"team": "shop"}
    assert version.architecture == "mlruns_fixture.tiny:ColourNet"


def test_an_architecture_may_be_a_file_in_the_current_folder(
    fixture, weights, tmp_path, monkeypatch, capsys
) -> None:
    (tmp_path / "my_own_net.py").write_text("from mlruns_fixture import ColourNet as Net\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    assert register(weights, "--architecture", "my_own_net:Net") == 0
    assert Registry().resolve("models:/colours/latest").architecture == "my_own_net:Net"


def test_registering_the_same_again_gives_the_same_version_and_says_so(fixture, weights, capsys) -> None:
    assert register(weights, "--json") == 0
    first = json.loads(capsys.readouterr().out)
    assert register(weights, "--json") == 0
    said = capsys.readouterr()
    again = json.loads(said.out)
    assert (first["created"], again["created"]) == (True, False)
    assert first["uri"] == again["uri"]
    assert "registered already" in said.err


def test_weights_from_a_training_checkpoint_are_found_in_it(fixture, tmp_path, capsys) -> None:
    file = tmp_path / "checkpoint.pt"
    torch.save({"state_dict": ColourNet(3.0).state_dict(), "epoch": 3}, file)
    assert register(file) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--architecture", "nonsense"], "`timm:vit_tiny_patch16_224` or `package.module:callable`"),
        (["--architecture", "no_such_package:net"], "cannot be imported"),
        (["--architecture", "torchvision:resnet5000"], "There is no 'resnet5000'"),
        (["--arg", "colour=red"], "raised TypeError"),
        (["--weights", "/no/such/file.pt"], "There is no file '/no/such/file.pt'"),
        (["--mean", "0.5"], "is not three numbers R,G,B"),
        (["--preprocess", "x.json"], "leave out --resize"),
        (["--kind", "oracle"], "There is no kind of prediction 'oracle'"),
        (["--precision", "fp8"], "There is no precision 'fp8'"),
        (["--precision", "int8"], "Jobs may choose int8 only after it was measured. Hand over"),
        (["--precision", "bf16", "--golden", "/no/such/photos"], "There is no folder '/no/such/photos'"),
        (["--min-agreement", "2"], "is not in the range 0<=x<=1"),
        (["--labels", "/no/such/labels.txt"], "cannot be read as labels"),
        (["--tag", "team"], "is not KEY=VALUE"),
        (["--tag", "stagewright.kind=x"], "namespace"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_registering_with_a_mistake_says_what_is_wrong_and_registers_nothing(
    options: list[str], said: str, fixture: Fixture, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert register(weights, *options) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert "Traceback" not in told.err
    assert told.out == ""
    assert len(Registry().versions("colours")) == 2


def test_a_precision_is_measured_and_versions_shows_by_how_much_it_agrees(
    fixture: Fixture, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = draw_golden(tmp_path / "golden", 60)
    assert register(weights, "--precision", "int8", "--golden", str(golden), "--min-agreement", "0.5") == 0
    said = capsys.readouterr()
    assert said.out == "models:/colours/3\n"
    assert "nncf" not in said.err.lower()
    assert main(["versions", "colours", "--json"]) == 0
    version = json.loads(capsys.readouterr().out)[-1]
    figures = version["measured"]["int8"]
    assert figures["photos"] == 30
    assert version["tags"]["stagewright.measured.int8.agreement"] == str(figures["agreement"])
    assert main(["versions", "colours"]) == 0
    assert f"f32, int8 ({100 * figures['agreement']:.1f} %)" in capsys.readouterr().out


def test_a_precision_below_the_floor_is_refused_with_its_figures_and_not_registered(
    fixture: Fixture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "blurred.safetensors"
    # Weights that are all but equal: which class is best hangs on the last bits, and those int8 does not have.
    save_file({name: 1 + value / 1e3 for name, value in ColourNet(3.0).state_dict().items()}, weights)
    golden = draw_golden(tmp_path / "golden", 60)
    assert register(weights, "--precision", "int8", "--golden", str(golden)) == 1
    told = capsys.readouterr()
    assert "on 30 photos, less than the floor of 0.95" in told.err
    assert "--min-agreement" in told.err
    assert "Traceback" not in told.err
    assert told.out == ""
    assert len(Registry().versions("colours")) == 2


def test_weights_that_do_not_fit_are_told_by_their_keys(fixture, tmp_path, capsys) -> None:
    file = tmp_path / "other.safetensors"
    save_file({"fc.weight": torch.zeros(2)}, file)
    assert register(file) == 2
    said = capsys.readouterr().err
    assert "2 missing (colours.weight, colours.bias)" in said
    assert "1 unexpected (fc.weight)" in said


def test_versions_and_history_are_aligned_tables(fixture, capsys) -> None:
    assert main(["versions", "colours"]) == 0
    header, first, second = capsys.readouterr().out.splitlines()
    for column, cells in {"STAGE": ("Production", "Staging"), "ALIASES": ("production", "staging")}.items():
        at = header.index(column)
        assert (first[at:].split()[0], second[at:].split()[0]) == cells
    assert main(["history", "colours"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[3][lines[0].index("BECAUSE") :] == "the first one"


def test_json_documents_are_whole_and_alone_on_stdout(fixture, capsys) -> None:
    assert main(["versions", "colours", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(version["version"], version["stage"]) for version in found] == [
        (1, "Production"),
        (2, "Staging"),
    ]
    assert main(["resolve", "models:/colours@production", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["uri"] == "models:/colours/1"
    assert main(["history", "colours", "--json"]) == 0
    events = json.loads(capsys.readouterr().out)
    assert [event["kind"] for event in events] == ["registered", "registered", "promoted", "promoted"]
    assert events[2]["because"] == "the first one"


def test_promote_and_rollback_say_what_moved_and_how_to_go_back(fixture, capsys) -> None:
    assert main(["promote", "colours", "2", "production", "--because", "sharper", "--expect", "1"]) == 0
    said = capsys.readouterr().out
    assert "colours version 2 is in Production now." in said
    assert "Version 1 made room and is archived now." in said
    assert "stagewright rollback colours Production" in said
    assert main(["rollback", "colours", "Production", "--because", "too sharp"]) == 0
    assert "colours version 1 is in Production now." in capsys.readouterr().out
    assert Registry().resolve("models:/colours/Production").number == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["promote", "colours", "2", "Production", "--expect", "2"], 1, "expect"),
        (
            ["promote", "colours", "2", "Production", "--expect", "x"],
            2,
            "neither a version's number nor `none`",
        ),
        (["promote", "colours", "9", "Production"], 2, "9"),
        (["promote", "colours", "2", "Prod"], 2, "there are None, Staging, Production, Archived"),
        (["rollback", "colours", "Production"], 1, ""),
        (["resolve", "models:/colours/9"], 2, "9"),
        (["resolve", "models:/nobody/Production"], 2, "nobody"),
        (["resolve", "colours"], 2, "models:/"),
        (["versions", "nobody"], 2, "nobody"),
        (["no-such-command"], 2, "No such command"),
        (["score", "models:/colours/1"], 2, "--input"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_refusal_is_1_and_a_mistake_is_2_and_neither_is_a_traceback(
    arguments: list[str], code: int, said: str, fixture: Fixture, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    told = capsys.readouterr()
    assert said in told.err
    assert told.err
    assert told.out == ""
    assert "Traceback" not in told.err


def score(stagewright: str, fixture: Fixture, output: Path, *more: str, **env: str) -> Finished:
    command = [stagewright, "score", "models:/colours/Production", "--input", str(fixture.photos)]
    settings = {"MLFLOW_TRACKING_URI": fixture.uri, "PYSPARK_PYTHON": None, **env}
    return run_command([*command, "--output", str(output), "--master", "local[1]", *more], env=settings)


def test_score_over_its_budget_exits_1_with_its_counts_and_what_to_look_at(
    spark, fixture, tmp_path, capsys
) -> None:
    command = ["score", "models:/colours/Production", "--input", str(fixture.photos)]
    assert main([*command, "--output", str(tmp_path / "out"), "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["by_status"]["truncated"] == 1
    assert "more than the 1.00% that --max-error-rate allows" in said.err
    assert "Traceback" not in said.err


def test_a_gpu_that_was_promised_and_is_not_there_fails_the_job_and_says_so(
    spark, fixture, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.setitem(spark.sparkContext.environment, "CUDA_VISIBLE_DEVICES", "0")
    photo = fixture.photos / "red-64x48.jpg"  # one task
    command = ["score", "models:/colours/Production", "--input", str(photo)]
    assert main([*command, "--output", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "given cuda:0" in said
    assert "STAGEWRIGHT_DEVICE=cpu" in said


def test_score_without_a_jdk_says_so_in_one_line(stagewright, fixture, tmp_path) -> None:
    done = score(stagewright, fixture, tmp_path / "out", JAVA_HOME=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("stagewright: Spark needs a JDK of version 17")


def test_doctor_looks_at_what_a_job_needs(fixture, capsys) -> None:
    assert main(["doctor", "--json"]) == 0
    findings = {finding["subject"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert {"python", "java", "classes", "packages", "cpu", "gpu", "policy", "registry", "stages"} == set(
        findings
    )
    assert findings["policy"]["found"].startswith("none on this machine")
    assert findings["stages"]["good"]
    assert "colours" in findings["registry"]["found"]
    assert all(precision in findings["cpu"]["found"] for precision in ("f32", "bf16", "int8"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["models:/colours/1", "--keep-classes"], "--keep-classes is about this machine"),
        (["--master", "local[1]"], "name its URI"),
        (["--verbose"], "name its URI"),
        (["--remote", "sc://host"], "name its URI"),
    ],
)
def test_doctor_heeds_every_option_or_refuses_it(
    given: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *given]) == 2
    assert told in capsys.readouterr().err


def test_doctor_asks_the_server_that_is_meant_and_no_java_then(
    fixture: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("SPARK_REMOTE", "local[2]")
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("FAIL")] == [
        "FAIL  server      SPARK_REMOTE='local[2]' is no address of a Spark Connect server: write sc://HOST:PORT."
    ]


def test_doctor_fails_on_a_registry_that_does_not_answer(monkeypatch, capsys) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    assert main(["doctor"]) == 1
    assert "FAIL  registry" in capsys.readouterr().out


def test_doctor_names_a_stage_and_an_alias_that_differ_and_what_makes_them_one(
    fixture: Fixture, capsys: pytest.CaptureFixture[str]
) -> None:
    number = Registry(fixture.uri).resolve("models:/colours/Production").number
    MlflowClient(fixture.uri).delete_registered_model_alias("colours", "production")
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert f"FAIL  stages      Production of 'colours' holds version {number}, its alias" in told
    assert f"stagewright promote colours {number} Production" in told


def test_history_at_a_time_tells_who_stood_where_then(
    fixture: Fixture, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history", "colours", "--at", "2999-01-01T00:00", "--json"]) == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert stages["Production"]["event"]["kind"] == "promoted"
    assert main(["history", "colours", "--at", "2000-01-01"]) == 0
    assert "Production  -        -" in capsys.readouterr().out
    assert main(["history", "colours", "--at", "yesterday"]) == 2
    assert "write it as 2026-11-24T09:30" in capsys.readouterr().err
