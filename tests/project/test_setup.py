"""The Makefile's checks before anything long starts, on made-up Javas and Pythons."""

import shutil
from pathlib import Path

import pytest

from tests.clusters import Finished, run_command

ROOT = Path(__file__).parents[2]
FULL_JDK = "java.base@17\njdk.incubator.vector@17"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment counts as installed."""
    folder = tmp_path / "checkout"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copyfile(ROOT / name, folder / name)
    (folder / ".venv" / ".installed").touch()
    write_command(folder / ".venv" / "bin" / "stagewright", "echo demo ran")
    return folder


def write_command(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def java_home(folder: Path, version: str, modules: str = FULL_JDK) -> str:
    """A JDK that can only say its version and its modules."""
    script = f"""
        if [ "$1" = --list-modules ]; then echo '{modules}'; exit; fi
        echo 'Picked up JAVA_TOOL_OPTIONS: -Xmx1g' >&2
        echo 'openjdk version "{version}" 2026-01-20' >&2"""
    write_command(folder / "java" / "bin" / "java", script)
    return str(folder / "java")


def make_demo(checkout: Path, **env: str) -> Finished:
    # These tests run under a make of their own, whose options and variables would come along.
    fresh = {"MAKEFLAGS": "", "MAKELEVEL": "0"}
    return run_command(["make", "demo"], env={**fresh, **env}, cwd=checkout)


@pytest.mark.parametrize("version", ["17", "17.0.15", "21-ea", "25.0.1"])
def test_a_jdk_that_is_new_enough_passes(checkout: Path, tmp_path: Path, version: str) -> None:
    finished = make_demo(checkout, JAVA_HOME=java_home(tmp_path, version)).check()

    assert finished.stdout.endswith("demo ran\n")
    assert finished.stderr == ""


@pytest.mark.parametrize(
    ("version", "modules", "why"),
    [
        ("1.8.0_392", FULL_JDK, "is version 8"),
        ("11.0.24", FULL_JDK, "is version 11"),
        ("17.0.15", "java.base@17", "lacks the module jdk.incubator.vector"),
    ],
)
def test_an_old_or_partial_jdk_is_told_in_one_line(
    checkout: Path, tmp_path: Path, version: str, modules: str, why: str
) -> None:
    finished = make_demo(checkout, JAVA_HOME=java_home(tmp_path, version, modules))

    assert_refused(finished, f"{tmp_path}/java/bin/java {why}: apt-get install openjdk-17-jdk-headless")


def test_a_java_home_without_java_is_told_in_one_line(checkout: Path, tmp_path: Path) -> None:
    assert_refused(make_demo(checkout, JAVA_HOME=str(tmp_path)), f"{tmp_path}/bin/java does not run")


def test_a_machine_without_java_is_told_in_one_line(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("make", "sh", "sed", "head", "grep"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)

    assert_refused(make_demo(checkout, JAVA_HOME="", PATH=str(tools)), "but java does not run")


def test_an_old_python_is_told_in_one_line(checkout: Path, tmp_path: Path) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        write_command(tmp_path / "tools" / name, "exit 1")
    (checkout / ".venv" / ".installed").unlink()
    path = f"{tmp_path / 'tools'}:/usr/bin:/bin"

    finished = make_demo(checkout, JAVA_HOME=java_home(tmp_path, "17"), PATH=path)

    assert_refused(finished, "Python 3.11 or newer")


def assert_refused(finished: Finished, why: str) -> None:
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert why in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
