"""Which tests run, and which count as passed."""

import sys
import textwrap
from pathlib import Path

import pytest

from tests.clusters import Finished, run_command
from tests.conftest import TOGETHER

ROOT = Path(__file__).parents[2]

SUITE = """
    import pytest

    def test_that_runs():
        pass

    @pytest.mark.gpu
    def test_that_needs_a_gpu():
        pass

    def test_that_skips_itself():
        pytest.skip("no wish to run")

    @pytest.mark.xfail(reason="known")
    def test_that_fails_as_expected():
        assert False
"""
MODULE_THAT_SKIPS_ITSELF = """
    import pytest

    pytest.importorskip("no_such_module")

    def test_that_is_never_seen():
        pass
"""

# As `make test` runs them.
SHARED_OUT = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")


def pytest_run(folder: Path, suite: str, *options: str) -> Finished:
    (folder / "test_suite.py").write_text(textwrap.dedent(suite))
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = gpu\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", *options, str(folder)]
    return run_command(command, env={"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}, cwd=folder)


@pytest.mark.parametrize(
    ("options", "returncode", "summaries"),
    [
        ((), 0, ("1 passed, 1 skipped, 1 deselected, 1 xfailed",)),
        (
            ("--no-skips", *SHARED_OUT, "-n", "1"),
            1,
            (
                "1 failed, 1 passed, 1 xfailed",
                "1 deselected: no GPU here",
                "skipped, which --no-skips forbids",
            ),
        ),
    ],
)
def test_a_gpu_test_is_deselected_and_a_skip_fails_only_where_skips_are_forbidden(
    tmp_path: Path, options: tuple[str, ...], returncode: int, summaries: tuple[str, ...]
) -> None:
    finished = pytest_run(tmp_path, SUITE, *options)

    assert finished.returncode == returncode
    assert [summary for summary in summaries if summary not in finished.stdout] == []


def test_a_module_that_skips_itself_fails_where_skips_are_forbidden(tmp_path: Path) -> None:
    finished = pytest_run(tmp_path, MODULE_THAT_SKIPS_ITSELF, "--no-skips", *SHARED_OUT, "-n", "1")

    assert finished.returncode == 1
    assert "skipped, which --no-skips forbids" in finished.stdout


WHERE_IT_RUNS = """
    import os
    from pathlib import Path

    def test_that_says_where_it_runs():
        Path(__file__).with_suffix(".txt").write_text(os.environ["PYTEST_XDIST_WORKER"])
"""


def test_files_that_share_a_server_run_in_one_process_and_others_beside_them(tmp_path: Path) -> None:
    (tmp_path / "tests" / "registry").mkdir(parents=True)
    together = [tmp_path / "tests" / "registry" / f"test_{letter}.py" for letter in "bc"]
    for file in together:
        file.write_text(textwrap.dedent(WHERE_IT_RUNS))
    pytest_run(tmp_path, WHERE_IT_RUNS, *SHARED_OUT, "--import-mode=importlib").check()

    one, other, beside = [
        file.with_suffix(".txt").read_text() for file in (*together, tmp_path / "test_suite.py")
    ]
    assert one == other != beside


@pytest.mark.parametrize("path", [path for paths in TOGETHER.values() for path in paths])
def test_what_is_said_to_be_together_is_there(path: str) -> None:
    assert (ROOT / path).exists()
