"""README and tutorial are true: their commands run, in their order, in the folder where the demo has run.

The demo, and what is not `stagewright` itself (`timeout`, `spark-submit`), are processes of their own; the other
commands run in this one, so that they share a Spark session, whose JVM is in
another folder: so paths are given whole.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from jobs.cli import cli, main
from tests.clusters import Finished, run_command
from tests.conftest import forget_mlflow_state

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / name).read_text() for name in ("README.md", "docs/tutorial.md")}
BIN = Path(sys.executable).parent
# What readers have more time for: each worker imports for seconds.
SHORTER = {"--master 'local[2]' ": "--master 'local[1]' "}


def blocks(page: str) -> list[tuple[str, str]]:
    """(language, code) of the blocks that a reader runs."""
    return re.findall(r"^```(bash|python)\n(.*?)^```$", PAGES[page], flags=re.MULTILINE | re.DOTALL)


def run_here(command: list[str], folder: Path) -> Finished:
    env = {
        "PATH": f"{BIN}:/usr/bin:/bin",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/demo-output/mlflow.db",
        "PYSPARK_PYTHON": None,
        "SPARK_HOME": None,
        # As on a machine of one core: each worker more would import for seconds what it hardly uses.
        "SPARK_SUBMIT_OPTS": f"{os.environ['SPARK_SUBMIT_OPTS']} -XX:ActiveProcessorCount=1",
    }
    return run_command(command, env=env, cwd=folder, timeout_s=400)


def run_block(language: str, code: str, folder: Path) -> str:
    """What a block says, once all of it has succeeded."""
    code = re.sub(r"(?<=--output )(?=\w)|(?<=report )(?=more)", f"{folder}/", code).replace(
        "demo-output/", f"{folder}/demo-output/"
    )
    if language == "python":
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(code, "<block>", "exec"), {"__name__": "__main__"})
        return out.getvalue()
    return "".join(run_line(line, folder) for line in code.splitlines())


def run_line(line: str, folder: Path) -> str:
    words = shlex.split(line, comments=True)
    if words[0] == "export":
        name, _, value = line.removeprefix("export ").partition("=")
        path = {**os.environ, "PATH": f"{BIN}:/usr/bin:/bin"}
        os.environ[name] = subprocess.check_output(["bash", "-c", f"printf %s {value}"], env=path, text=True)
        return ""
    if words[:2] == ["python", "-c"]:
        return run_block("python", words[2], folder)
    if words[0] != "stagewright":
        for long, short in SHORTER.items():
            line = line.replace(long, short)
        return run_here(["bash", "-euc", line], folder).check().stdout
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        code = main(words[1:])
    assert code == 0, f"{line}\n{err.getvalue()}"
    return out.getvalue() + err.getvalue()


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which the demo has run, and what it said."""
    folder = tmp_path_factory.mktemp("tour")
    return folder, run_here(["stagewright", "demo"], folder).check().stdout


@pytest.fixture
def here(toured: tuple[Path, str], spark: SparkSession) -> Iterator[Path]:
    """That folder, as the current one; variables that a page exports end with it."""
    folder = toured[0]
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        for name in ("MLFLOW_TRACKING_URI", "PYSPARK_PYTHON"):
            patched.setenv(name, os.environ.get(name, ""))
            patched.delenv(name)
        forget_mlflow_state()
        yield folder
    forget_mlflow_state()


@pytest.mark.timeout(900)
def test_the_demo_labels_its_photos_and_says_what_to_try_next(toured: tuple[Path, str]) -> None:
    said = toured[1]

    for photo, label in {"coffee.png": "espresso", "camera.png": "tripod", "flower.jpg": "daisy"}.items():
        assert re.search(rf"^{re.escape(photo)} +{label} ", said, flags=re.MULTILINE)
    assert "Try next:" in said
    assert len(re.findall(r"^\S+\.(?:png|jpg) ", said, flags=re.MULTILINE)) >= 12


@pytest.mark.timeout(900)
def test_every_command_of_the_readme_runs_in_its_order(here: Path) -> None:
    said = [run_block(language, code, here) for language, code in blocks("README.md")]

    assert (here / "report.html").stat().st_size > 50_000
    assert "efficientnet-lite0: 1 version" in said[0]
    assert pq.read_table(here / "resumed").num_rows == 13, "however far the first command came"
    assert "Nothing new" in said[1]


@pytest.mark.timeout(1800)
def test_every_command_of_the_tutorial_runs_in_its_order(here: Path) -> None:
    said = "".join(run_block(language, code, here) for language, code in blocks("docs/tutorial.md"))

    assert "things version 1 is in Production now." in said
    assert "|  ok" not in said
    assert "espresso" in said


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_no_option_that_the_command_lacks(page: str) -> None:
    known = {
        option
        for command in cli.commands.values()
        for parameter in command.params
        for option in parameter.opts
    }
    named = {
        option
        for _, code in blocks(page)
        for line in code.splitlines()
        if "stagewright " in line
        for option in re.findall(r"(?<= )--[a-z-]+", line)
    }
    assert named
    assert named <= known


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    links = set(re.findall(r"\]\(([^)#]+)\)", PAGES[page]))
    local = [link for link in links if not link.startswith("https://")]

    assert local
    assert [link for link in local if not ((ROOT / page).parent / link).exists()] == []
