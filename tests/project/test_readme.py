"""The README is true: its commands run, in its order, in a folder where the demo has run."""

import re
import sys
from pathlib import Path

import pytest

from tests.clusters import Finished, run_command

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent


def blocks() -> list[tuple[str, str]]:
    """(language, code) of the README's blocks that a reader runs."""
    return re.findall(r"^```(bash|python)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def run_here(command: list[str], folder: Path) -> Finished:
    env = {
        "PATH": f"{BIN}:/usr/bin:/bin",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/demo-output/mlflow.db",
        "PYSPARK_PYTHON": None,
        "SPARK_HOME": None,
    }
    return run_command(command, env=env, cwd=folder, timeout_s=400)


@pytest.mark.timeout(1800)
def test_every_command_of_the_readme_runs_in_its_order(tmp_path: Path) -> None:
    demo = run_here(["stagewright", "demo"], tmp_path).check()
    for photo, label in {"coffee.png": "espresso", "camera.png": "tripod", "flower.jpg": "daisy"}.items():
        assert re.search(rf"^{re.escape(photo)} +{label} ", demo.stdout, flags=re.MULTILINE)
    assert "Try next:" in demo.stdout
    assert len(re.findall(r"^\S+\.(?:png|jpg) ", demo.stdout, flags=re.MULTILINE)) >= 12
    said = ""
    for language, code in blocks():
        command = ["bash", "-euc", code] if language == "bash" else ["python", "-c", code]
        said += run_here(command, tmp_path).check().stdout
    assert "things version 1 is in Production now." in said
    assert "|  ok" not in said
    assert "espresso" in said


def test_the_readme_names_no_option_that_the_command_lacks() -> None:
    from jobs.cli import cli

    known = {
        option
        for command in cli.commands.values()
        for parameter in command.params
        for option in parameter.opts
    }
    named = {
        option
        for _, code in blocks()
        for line in code.splitlines()
        if "stagewright " in line
        for option in re.findall(r"(?<= )--[a-z-]+", line)
    }
    assert named
    assert named <= known


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_every_link_of_the_readme_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
