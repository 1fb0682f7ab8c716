"""What goes wrong around a job ends in one line, and what Spark has to say goes to a file."""

import errno
import json
import os
import re
import signal
import sys
import threading
from pathlib import Path

import pytest
from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from jobs import JobFailed, Source, SparkUnavailable, read, scratch
from jobs.cli import looking, main, running
from jobs.scoring.recording import experiment_of
from jobs.spark import faults, jvm
from mlruns_fixture import PLAIN
from mlruns_fixture.build import Fixture
from registry import Registry
from tests.clusters import run_command

WORKER_KILLED = """An error occurred while calling o296.save.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 1.0 failed 1 times, most recent failure: Lost task 0.0 in stage 1.0 (TID 1) (10.0.0.1 executor driver): org.apache.spark.SparkException: Python worker exited unexpectedly (crashed)
\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator$$anonfun$1.applyOrElse(PythonRunner.scala:594)
Caused by: java.io.EOFException
\tat java.base/java.io.DataInputStream.readInt(DataInputStream.java:398)
"""  # noqa: E501
NOT_WRITABLE = """An error occurred while calling o123.save.
: java.io.IOException: Mkdirs failed to create file:/proc/out/_temporary/0 (exists=false, cwd=file:/tmp)
\tat org.apache.hadoop.fs.ChecksumFileSystem.create(ChecksumFileSystem.java:523)
"""
ENGINE = """An error occurred while calling o99.save.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 0.0 failed 1 times, most recent failure: Lost task 0.0 in stage 0.0 (TID 0) (h executor driver): org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "/x/engines/__init__.py", line 60, in engine_module
pyfunc_models_0a.engines.EngineUnavailable: This worker was given cuda:0, but has no torch.

\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handlePythonException(PythonRunner.scala:572)
"""  # noqa: E501


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (WORKER_KILLED, "A Python worker ended without a word: it crashed, or was killed"),
        (NOT_WRITABLE, "The output cannot be written: Mkdirs failed to create file:/proc/out"),
        (
            ENGINE.replace("engines.EngineUnavailable: This", "worker.manifest.ManifestError: This"),
            "ManifestError: This worker was given",
        ),
        (ENGINE, "EngineUnavailable: This worker was given cuda:0, but has no torch."),
        ("x\n: java.lang.OutOfMemoryError: Java heap space", "ran out of memory: Java heap space"),
        ("x\n: java.io.IOException: No space left on device", "A disk is full"),
        ("x\n: java.net.SocketException: Broken pipe", "A Python worker ended without a word"),
        ("An error occurred while calling o1.x.\n: org.b.OddException: so it is", "so it is."),
        (f"{WORKER_KILLED}Caused by: java.io.IOException: No space left on device", "A disk is full"),
        (
            'RPC that terminated with:\n\tstatus = StatusCode.UNAVAILABLE\n\tdetails = "Connection refused"',
            "The Spark Connect server does not answer, or was started anew: Connection refused.",
        ),
        ("x\n: java.io.IOException: File too large", "`ulimit -f`"),
        ("x\n: java.nio.file.FileSystemException: /t/spark-1: Too many open files", "`ulimit -n`"),
        (
            "x\n: java.net.BindException: Address already in use: Service 'sparkDriver' failed after 0 retries! "
            "Consider explicitly setting",
            "A port is taken: Address already in use: Service 'sparkDriver' failed after 0 retries.",
        ),
        (
            "ExecutorLostFailure (executor 0 exited unrelated to the running tasks) Reason: Remote RPC client "
            "disassociated.",
            "An executor was lost: ",
        ),
        (
            "x\n: org.apache.spark.SparkException: Job aborted due to stage failure: ResultStage 2 has failed the "
            "maximum allowable number of times: 4. Most recent failure reason:\n"
            "org.apache.spark.shuffle.MetadataFetchFailedException: Missing an output location for shuffle 0",
            "Executors were lost again and again",
        ),
        ("Answer from Java side is empty", "Spark's JVM is gone"),
        ("Error while sending or receiving", "Spark's JVM is gone"),
        (
            "[JAVA_GATEWAY_EXITED] Java gateway process exited before sending its port number.",
            "Spark's JVM is gone",
        ),
    ],
)
def test_a_failed_job_comes_down_to_one_line(raised: str, said: str) -> None:
    found = faults.explain(Py4JError(raised))
    assert said in found
    assert "\n" not in found
    assert "o296" not in found
    assert "org.apache" not in found


# As real JVMs said it, under `ulimit -v`, `ulimit -n`, with 1k of memory and without a place for Spark's files.
NO_MEMORY = """#
# There is insufficient memory for the Java Runtime Environment to continue.
# Native memory allocation (malloc) failed to allocate 16 bytes. Error detail: AllocateHeap
"""
NO_FILES = """Error: A JNI error has occurred, please check your installation and try again
Exception in thread "main" java.lang.InternalError: Error loading java.security file
\tat java.base/java.security.Security.initialize(Security.java:106)
"""
NO_HEAP = """Error occurred during initialization of VM
Too small maximum heap
"""
NO_FOLDER = """26/11/26 01:09:35 ERROR JavaUtils: Failed to create directory /ro/blockmgr-c2d6
java.nio.file.AccessDeniedException: /ro/blockmgr-c2d6
"""


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (NO_MEMORY, "The system gave Spark's JVM no more memory"),
        (NO_FILES, "Spark's JVM ended: Error loading java.security file."),
        (NO_HEAP, "Spark's JVM was given too little memory: Too small maximum heap."),
        (NO_FOLDER, "cannot be written: Failed to create directory /ro/blockmgr-c2d6. Name another"),
        (
            "java.lang.OutOfMemoryError: Java heap space",
            "Spark's JVM ran out of memory: Java heap space. Give it more",
        ),
    ],
)
@pytest.mark.parametrize("raised", [JobFailed, SparkUnavailable])
def test_what_a_jvm_died_of_is_read_from_its_log_which_has_the_rest(
    log: str,
    said: str,
    raised: type[JobFailed | SparkUnavailable],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scratch, "folder", lambda: tmp_path / "own")
    file = tmp_path / "spark.log"
    file.write_text(f"26/11/26 WARN NativeCodeLoader: Unable to load\n{log}")
    error = raised(f"It failed: {faults.GONE} Go on.")
    error.__cause__ = Py4JError("An error occurred\n\tat java.lang.Thread.run")
    told = running._with_trace(error, file)
    assert type(told) is raised
    assert said in str(told)
    assert "\n" not in str(told)
    [where] = told.__notes__
    kept = Path(where.removeprefix("Spark's log: "))
    assert kept.parent == tmp_path / "logs"
    assert log in kept.read_text()
    assert "\tat java.lang.Thread.run" in kept.read_text()
    [trace] = running._with_trace(error, None).__notes__
    assert "\tat java.lang.Thread.run" in trace


def test_a_line_comes_first_and_what_belongs_to_it_after(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = JobFailed("The Spark job failed: so it is.")
    error.add_note("Spark's log: /t/logs/spark.log")
    monkeypatch.setattr(looking, "Registry", _raising(error))
    assert main(["versions", "colours"]) == 1
    said = capsys.readouterr()
    assert said.err.splitlines() == [f"stagewright: {error}", "Spark's log: /t/logs/spark.log"]
    assert said.out == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/t/model.pt2"),
            "A disk is full: '/t/model.pt2'. Make room",
        ),
        (
            OSError(errno.EFBIG, "File too large", "/reg/a", None, "/t/a"),
            "may write: '/t/a': see `ulimit -f`",
        ),
        (OSError(errno.EMFILE, "Too many open files"), "raise `ulimit -n`"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "`ulimit -u`"),
        (FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"), "Name one in TMPDIR"),
        (MemoryError(), "no memory left"),
        (RuntimeError("can't start new thread"), "no memory left"),
        (ImportError("libtorch.so: failed to map segment from shared object"), "no memory left"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_machine_could_not_give_is_one_line_of_any_command(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(looking, "Registry", _raising(error))
    assert main(["versions", "colours"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("stagewright: ")
    assert said in line


def test_a_fault_of_our_own_is_not_taken_for_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "Registry", _raising(ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError):
        main(["versions", "colours"])


def _raising(error: Exception) -> object:
    def raising(*_: object) -> None:
        raise error

    return raising


def test_what_a_jvm_says_goes_to_the_log_and_never_to_stdout(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from jobs.spark import jvm\n"
        "log = pathlib.Path(sys.argv[1]) if sys.argv[1:] else None\n"
        "jvm.launch({'spark.master': 'local[1]'}, log); print('answer'); jvm.end()"
    )
    env = {"SPARK_PRINT_LAUNCH_COMMAND": "1", "SPARK_SUBMIT_OPTS": "-XshowSettings:vm -showversion"}
    for log in (tmp_path / "spark.log", None):
        done = run_command([sys.executable, "-c", program, *([str(log)] if log else [])], env=env).check()
        assert done.stdout == "answer\n"
        said = done.stderr if log is None else log.read_text()
        assert "openjdk" in said.lower()
        assert "VM settings" in said
        assert log is None or done.stderr == ""


def score(fixture: Fixture, stagewright: str, output: Path, *more: str) -> list[str]:
    return [
        stagewright, "score", "models:/colours/Production", "--input", str(fixture.photos),
        "--output", str(output), "--max-error-rate", "1", "--master", "local[1]", *more,
    ]  # fmt: skip


def test_stderr_has_our_own_lines_only_and_the_run_is_where_it_was_asked_for(
    stagewright: str, fixture: Fixture, tmp_path: Path
) -> None:
    env = {
        "MLFLOW_TRACKING_URI": fixture.uri,
        "MLFLOW_EXPERIMENT_NAME": "mine",
        "TMPDIR": str(tmp_path / "t"),
    }
    (tmp_path / "t").mkdir()
    done = run_command(score(fixture, stagewright, tmp_path / "out", "--json"), env=env).check()
    lines = done.stderr.splitlines()
    assert lines[0] == "models:/colours/Production is models:/colours/1"
    assert all("rows a second" in line for line in lines[1:]), done.stderr
    assert [path.name for path in (tmp_path / "t").rglob("*")] == [f"stagewright-{os.getuid()}"]
    run = Registry().run(json.loads(done.stdout)["scoring_run_id"])
    from mlflow import MlflowClient

    assert MlflowClient().get_experiment(run.experiment_id).name == "mine"


def test_an_output_that_cannot_be_written_is_one_line_and_sparks_log_is_named(
    stagewright: str, fixture: Fixture, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    command = score(fixture, stagewright, tmp_path / "file" / "out", "--experiment", "own")
    done = run_command(command, env={"MLFLOW_TRACKING_URI": fixture.uri})
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert "\tat " not in done.stderr
    assert not re.search(r"calling o\d+", done.stderr)
    assert "cannot be written" in done.stderr or "There is something" in done.stderr


def test_where_nothing_is_tried_again_a_killed_worker_is_told_in_one_line(
    stagewright: str, fixture: Fixture, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(1500):
        (photos / f"{i}.jpg").write_bytes(PLAIN["red-64x48.jpg"])
    command = score(fixture, stagewright, tmp_path / "out")
    command[command.index(str(fixture.photos))] = str(photos)
    command[command.index("local[1]")] = "local[1,1]"
    ended = threading.Event()

    def kill_workers() -> None:
        while not ended.wait(0.02):
            for pid in _workers_of(tmp_path / "marker"):
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_workers)
    killer.start()
    marked = {"MLFLOW_TRACKING_URI": fixture.uri, "STAGEWRIGHT_TEST_MARKER": str(tmp_path / "marker")}
    done = run_command(command, env=marked)
    ended.set()
    killer.join()
    assert done.returncode == 1, done.stderr
    assert "A Python worker ended without a word" in done.stderr
    assert "\tat " not in done.stderr
    log = Path(re.search(r"^Spark's log: (.*)$", done.stderr, re.MULTILINE)[1])  # type: ignore[index]
    assert "\tat org.apache.spark" in log.read_text()
    log.unlink()


def _workers_of(marker: Path) -> list[int]:
    """Spark's Python workers, forked from its daemon, whose environment names the marker."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(marker).encode() not in (folder / "environ").read_bytes():
                continue
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            of_parent = Path("/proc", parent, "cmdline").read_bytes()
        except OSError:
            continue
        if b"pyspark.worker" in of_parent:
            found.append(int(folder.name))
    return found


def test_where_the_run_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert experiment_of(None) == "stagewright-jobs"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ours")
    assert experiment_of(None) == "ours"
    assert experiment_of("asked") == "asked"


def test_empty_files_among_many_are_found_by_one_call(spark: SparkSession, tmp_path: Path) -> None:
    odd = ["a b", "ü", "x;y, length=0; z", "[1]", "100%", "#", "$1"]
    for name in odd:
        (tmp_path / f"{name}.jpg").write_bytes(b"")
        (tmp_path / f"{name} photo.jpg").write_bytes(PLAIN["red-64x48.jpg"])
    frame = spark.read.format("binaryFile").load(str(tmp_path))
    calls = _counted_calls(spark)
    empty = jvm.empty_files(frame)
    assert sorted(path for path, _ in empty) == sorted(f"file:{tmp_path}/{name}.jpg" for name in odd)
    assert calls() < 60
    assert read(spark, Source(str(tmp_path))).where("length = 0").count() == len(odd)


def _counted_calls(spark: SparkSession):
    """How many commands py4j has sent since."""
    client = spark.sparkContext._gateway._gateway_client
    sent, real = [0], client.send_command

    def counting(*arguments: object, **named: object) -> object:
        sent[0] += 1
        return real(*arguments, **named)

    client.send_command = counting

    def stop() -> int:
        client.send_command = real
        return sent[0]

    return stop


def test_the_next_step_after_promoting_what_stagewright_did_not_package_is_no_score(
    fixture: Fixture, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient()
    client.create_registered_model("foreign")
    client.create_model_version("foreign", "file:///nowhere", None)
    assert main(["promote", "foreign", "1", "Production"]) == 0
    said = capsys.readouterr().out
    assert "stagewright score" not in said
    assert "stagewright rollback foreign Production" in said
    assert main(["promote", "colours", "1", "Staging"]) == 1
    assert "is in Production, which would be empty; nothing was moved" in capsys.readouterr().err
