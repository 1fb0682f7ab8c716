"""Which tests run, and which count as passed."""

import sys
import textwrap
from pathlib import Path

import pytest

from tests.clusters import Finished, run_command

ROOT = Path(__file__).parents[2]

SUITE = """
    import pytest

    def test_that_runs():
        pass

    @pytest.mark.gpu
    def test_that_needs_a_gpu():
        pass
"""
SUITE_WITH_SKIP = """
    import pytest

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


def pytest_run(folder: Path, suite: str, *options: str) -> Finished:
    (folder / "test_suite.py").write_text(textwrap.dedent(suite))
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = gpu\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", *options, str(folder)]
    return run_command(command, env={"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}, cwd=folder)


def test_a_gpu_test_is_deselected_not_skipped_where_there_is_no_gpu(tmp_path: Path) -> None:
    finished = pytest_run(tmp_path, SUITE).check()

    assert "1 passed, 1 deselected" in finished.stdout


@pytest.mark.parametrize(
    ("options", "returncode", "summary"),
    [((), 0, "1 skipped, 1 xfailed"), (("--no-skips",), 1, "1 failed, 1 xfailed")],
)
def test_a_skip_fails_only_where_skips_are_forbidden(
    tmp_path: Path, options: tuple[str, ...], returncode: int, summary: str
) -> None:
    finished = pytest_run(tmp_path, SUITE_WITH_SKIP, *options)

    assert finished.returncode == returncode
    assert summary in finished.stdout


def test_a_module_that_skips_itself_fails_where_skips_are_forbidden(tmp_path: Path) -> None:
    finished = pytest_run(tmp_path, MODULE_THAT_SKIPS_ITSELF, "--no-skips")

    assert finished.returncode == 2
    assert "skipped, which --no-skips forbids" in finished.stdout
