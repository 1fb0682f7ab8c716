"""What a killed process leaves in temporary folders is removed by the next one, and what lives is left alone."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs import scratch
from jobs.cli import main

MODEL_BYTES = 100_000


class Job:
    """A process that does `work`, in which it may tell a line, and ends as a Python does; its stderr is in `err`."""

    def __init__(self, temporary: Path, work: Callable[[Callable[[object], None]], object]) -> None:
        self.err = temporary.with_suffix(".err")
        reading, writing = os.pipe()
        self.pid = os.fork()  # starting a Python takes a second
        if not self.pid:
            code = 70
            try:
                self._inside(temporary)
                code = int(bool(work(lambda said: os.write(writing, f"{said}\n".encode()) and None)))
                scratch._remove_own()
            finally:
                os._exit(code)
        os.close(writing)
        self._said = os.fdopen(reading)

    def _inside(self, temporary: Path) -> None:
        os.environ["TMPDIR"], tempfile.tempdir = str(temporary), None
        scratch._own.clear()
        sys.stderr = self.err.open("a", buffering=1)
        scratch.log.addHandler(scratch.logging.StreamHandler(sys.stderr))

    def line(self) -> Path:
        return Path(self._said.readline().strip())

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        """The exit code, or minus the signal."""
        status = os.waitpid(self.pid, 0)[1]
        self._said.close()
        self.pid = 0
        return os.waitstatus_to_exitcode(status)


Start = Callable[..., Job]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """A folder for temporary files, empty."""
    folder = tmp_path / "t"
    folder.mkdir()
    return folder


@pytest.fixture
def start(temporary: Path) -> Iterator[Start]:
    """Starts jobs, all of which end with the test."""
    jobs: list[Job] = []

    def started(work: Callable[[Callable[[object], None]], object]) -> Job:
        jobs.append(Job(temporary, work))
        return jobs[-1]

    yield started
    for job in jobs:
        if job.pid:
            job.send(signal.SIGKILL)
            job.wait()


def fetch(tell: Callable[[object], None]) -> None:
    """A job as far as its temporary files go."""
    (scratch.new("model-") / "model.bin").write_bytes(bytes(MODEL_BYTES))
    tell(scratch.folder())


def fetch_and_work(tell: Callable[[object], None]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    fetch(tell)
    signal.sigwait([signal.SIGUSR1])


def size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def test_killed_jobs_leave_at_most_one_model_however_many_they_are(start: Start, temporary: Path) -> None:
    for _ in range(20):
        job = start(fetch_and_work)
        assert job.line().is_dir()
        assert size(temporary) == MODEL_BYTES
        job.send(signal.SIGKILL)
        assert job.wait() == -signal.SIGKILL
        assert size(temporary) == MODEL_BYTES
    assert start(fetch).wait() == 0
    assert [path.name for path in temporary.rglob("*")] == [f"stagewright-{os.getuid()}"]


def test_a_job_that_works_or_stands_still_keeps_what_it_has(start: Start) -> None:
    working, stopped = start(fetch_and_work), start(fetch_and_work)
    theirs = [job.line() for job in (working, stopped)]
    stopped.send(signal.SIGSTOP)
    assert start(fetch).wait() == 0
    assert all(folder.is_dir() for folder in theirs)
    for job in (working, stopped):
        job.send(signal.SIGUSR1)
    stopped.send(signal.SIGCONT)
    assert [working.wait(), stopped.wait()] == [0, 0]
    assert not any(folder.exists() for folder in theirs)


def test_jobs_that_start_and_end_at_once_never_take_one_anothers_folder(start: Start) -> None:
    def race(tell: Callable[[object], None]) -> bool:
        for _ in range(60):
            before = _open_folders()
            scratch._own.clear()
            made = scratch.new("a-")
            scratch._sweep(scratch.folder().parent)
            if not made.is_dir():
                return True
            for descriptor in _open_folders() - before:  # its flock: from here on the folder is a dead one's
                os.close(descriptor)
        return False

    assert [racer.wait() for racer in [start(race) for _ in range(4)]] == [0] * 4


def _open_folders() -> set[int]:
    return {int(path.name) for path in Path("/proc/self/fd").iterdir() if path.is_dir()}


def test_only_what_is_surely_ours_and_dead_is_removed(start: Start, temporary: Path) -> None:
    parent = temporary / f"stagewright-{os.getuid()}"
    parent.mkdir(mode=0o755)
    machine, boot = scratch._here()
    outside = temporary / "outside"
    outside.mkdir()
    (outside / "file").write_text("somebody's")
    kept = [parent / name for name in ("logs", "mine", f"7-{'0' * 8}-{'0' * 8}-elsewhere")]
    dead = [parent / f"7-{machine}-{boot}-dead", parent / f"7-{machine}-{'0' * 8}-before"]
    for folder in (*kept, *dead):
        folder.mkdir()
        (folder / "link").symlink_to(outside)
    (parent / f"7-{machine}-{boot}-link").symlink_to(outside)
    assert start(fetch).wait() == 0
    assert all(folder.is_dir() for folder in kept)
    assert not any(folder.exists() for folder in dead)
    assert (outside / "file").read_text() == "somebody's"
    assert parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("in_the_way", ["link", "file"])
def test_who_takes_the_name_in_a_shared_folder_gets_nothing(
    start: Start, temporary: Path, in_the_way: str
) -> None:
    trap = temporary / "trap"
    trap.mkdir()
    parent = temporary / f"stagewright-{os.getuid()}"
    parent.symlink_to(trap) if in_the_way == "link" else parent.write_text("")
    job = start(fetch_and_work)
    assert size(job.line()) == MODEL_BYTES
    assert list(trap.iterdir()) == []
    assert "temporary files go elsewhere" in job.err.read_text()
    job.send(signal.SIGUSR1)
    assert job.wait() == 0
    assert sorted(path.name for path in temporary.iterdir()) == [parent.name, "trap"]


def test_within_a_command_all_temporary_files_are_in_the_processs_folder() -> None:
    before, variable = tempfile.gettempdir(), os.environ.get("TMPDIR")
    with scratch.everything_inside():
        made = Path(tempfile.mkdtemp())
        assert made.parent == scratch.folder()
        assert os.environ["TMPDIR"] == str(scratch.folder())
    made.rmdir()
    assert (tempfile.gettempdir(), os.environ.get("TMPDIR")) == (before, variable)


def test_a_log_that_a_person_was_told_of_outlives_the_next_jobs_but_not_all_of_them(start: Start) -> None:
    def fail(tell: Callable[[object], None]) -> None:
        log = scratch.folder() / "spark.log"
        log.write_text("why")
        tell(scratch.keep_log(log))

    failed = start(fail)
    kept = failed.line()
    assert [failed.wait(), start(fetch).wait()] == [0, 0]
    assert kept.read_text() == "why"
    for n in range(scratch.KEPT_LOGS):
        (kept.parent / f"newer-{n}").write_text("")
    assert start(fail).wait() == 0
    assert len(list(kept.parent.iterdir())) == scratch.KEPT_LOGS


_COMMAND = f"""
import signal, sys, time
from jobs import scratch
from jobs.cli import looking, main

def work(*_):
    (scratch.new("model-") / "model.bin").write_bytes(bytes({MODEL_BYTES}))
    print(scratch.folder(), flush=True)
    time.sleep(60)

looking.Registry = work
sys.exit(main(["versions", "colours"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_command_that_is_asked_to_end_says_so_and_its_temporary_files_go(
    temporary: Path, number: int
) -> None:
    # A Python of its own: one that was forked from a process with all of Spark and OpenVINO in it ends as it likes.
    asked = subprocess.Popen(
        [sys.executable, "-c", _COMMAND],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert asked.stdout
    try:
        assert size(Path(asked.stdout.readline().strip())) == MODEL_BYTES
        asked.send_signal(number)
        said = asked.communicate(timeout=60)[1]
    finally:
        asked.kill()
    assert asked.returncode == 1
    assert said.strip() == "Interrupted."
    assert list((temporary / f"stagewright-{os.getuid()}").iterdir()) == []


def test_a_folder_for_temporary_files_that_cannot_be_used_stops_no_command_that_needs_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full() -> None:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(scratch, "_own", [])
    monkeypatch.setattr(tempfile, "gettempdir", full)
    assert main(["--help"]) == 0
