"""What the benchmark says of mistakes, and what it leaves behind; `smoke` sees it measure."""

from pathlib import Path

import psutil
import pytest

from benchmarks import run
from benchmarks.processes import ContenderFailed, watch


def test_an_unknown_contender_is_told_who_there_is(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="There is no contender dask; there are article"):
        run.main(["--models", "colours", "--contenders", "dask", "--output", str(tmp_path)])


def test_a_contender_that_fails_says_what_it_wrote(tmp_path: Path) -> None:
    with pytest.raises(ContenderFailed, match="exited with 3:\nwhat went wrong"):
        watch(["-c", "print('what went wrong'); raise SystemExit(3)"], tmp_path / "log.txt")


def test_a_process_that_is_left_behind_ends_with_its_contender(tmp_path: Path) -> None:
    leave = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print(p.pid)"

    watch(["-c", leave], tmp_path / "log.txt")

    left = int((tmp_path / "log.txt").read_text())
    # Where nobody reaps orphans it stays as a zombie, which does nothing.
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE
