"""Fixtures of all tests: real Spark, a real MLflow server, a SQLite registry of one's own, and no network."""

import fcntl
import functools
import gc
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import jvm
from tests.clusters import LOOPBACK, LeashedProcess, MlflowServer, PostgresServer, SparkCluster

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# --- nothing of these tests leaves this machine, or reaches into the home folder

_HOME = tempfile.TemporaryDirectory(prefix="stagewright-home-")

_ENVIRONMENT = {
    "HOME": _HOME.name,
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "HF_HUB_OFFLINE": "1",
    "SPARK_LOCAL_IP": LOOPBACK,
    "SPARK_HOME": str(jvm.spark_home()),
    "PYSPARK_PYTHON": sys.executable,  # else the workers run whichever python3 comes first in PATH
    "PYTHONUNBUFFERED": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # more threads than cores would wait for one another by spinning
    "OPENBLAS_NUM_THREADS": "1",  # its threads spin when they begin, in each process that imports numpy
    **jvm.environment(),
}
_FOREIGN = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "SPARK_CONF_DIR",
    "PYSPARK_SUBMIT_ARGS",
    "PYSPARK_DRIVER_PYTHON",
    "PYTHONDONTWRITEBYTECODE",  # each of the hundreds of processes would compile all of this project's files again
)


def _isolate() -> None:
    """Before anything is imported that reads its environment once."""
    for name in _FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(_ENVIRONMENT)
    # openvino.convert_model reports to Google Analytics unless this file in the home folder says 0.
    consent = Path(_HOME.name) / "intel" / "openvino_telemetry"
    consent.parent.mkdir()
    consent.write_text("0")


_isolate()


# --- what is run, and what counts

_NO_GPU = "deselected for want of a GPU"
_DESELECTED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a test that skips itself has failed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With --no-skips, a test that skips itself fails; an expected failure stays what it is."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _forbid_skip(item.config, report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """With --no-skips, a whole module that skips itself fails."""
    report = yield
    _forbid_skip(collector.config, report)
    return report


def _forbid_skip(config: pytest.Config, report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which --no-skips forbids: {report.longrepr}"


# Files whose tests run in one process, one after the other, because they share what is slow to start; by the beginning
# of their paths. What takes longest comes first, so that no process ends alone.
TOGETHER = {
    "a local Spark, and the registry that jobs score from": (
        "tests/jobs/",
        "tests/project/test_notebooks.py",
    ),
    "clusters, and jobs that are harmed": (
        "tests/jobs/test_cluster.py",
        "tests/jobs/test_connect.py",
        "tests/jobs/test_faults.py",
        "tests/jobs/test_isolation.py",
        "tests/jobs/test_one_copy_per_node.py",
        "tests/jobs/test_rights.py",
        "tests/jobs/test_small_faults.py",
        "tests/project/test_clusters.py",
    ),
    "commands as users run them": (
        "tests/project/test_readme.py",
        "tests/project/test_pages.py",
    ),
    "PostgreSQL and the MLflow server over it": ("tests/registry/",),
}


def _unit(nodeid: str) -> str:
    """The tests that one process gets at once: those that are together, by the longest beginning, else one file's."""
    file = nodeid.partition("::")[0]
    named = [
        (len(begins), unit) for unit, files in TOGETHER.items() for begins in files if file.startswith(begins)
    ]
    return max(named, default=(0, file))[1]


def _rank(item: pytest.Item) -> int:
    unit = _unit(item.nodeid)
    return list(TOGETHER).index(unit) if unit in TOGETHER else len(TOGETHER)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """--dist loadfile, but what is together stays together."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class TogetherScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _unit(nodeid)

    return TogetherScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest first, and leave out the tests that need a GPU where there is none.

    pytest counts those as deselected, apart from what it ran.
    """
    items.sort(key=_rank)
    if shutil.which("chromium") is None:
        _leave_out_pages(config, items)
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and not _cuda_is_available():
        config.hook.pytest_deselected(items=marked)
        items[:] = [item for item in items if item not in marked]
        if hasattr(config, "workeroutput"):  # one of pytest-xdist's processes
            config.workeroutput[_NO_GPU] = len(marked)


def _leave_out_pages(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests in a browser, where there is none: the same pages are also read without one."""
    marked = [item for item in items if item.get_closest_marker("browser")]
    config.hook.pytest_deselected(items=marked)
    items[:] = [item for item in items if item not in marked]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage meanwhile, and less often afterwards: all that is imported now stays, and is gone through."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.set_threshold(50_000, 20, 50)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Keep what a process of pytest-xdist deselected: xdist itself drops the number."""
    node.config.stash[_DESELECTED] = getattr(node, "workeroutput", {}).get(_NO_GPU, 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say it, as pytest does by itself without processes."""
    if count := config.stash.get(_DESELECTED, 0):
        terminalreporter.write_line(f"{count} deselected: no GPU here, and `make test-gpu` runs them")


def _cuda_is_available() -> bool:
    import torch  # here, because it costs seconds, and most runs have no such test

    return torch.cuda.is_available()


# --- Spark

_ARCHIVE_IN_THE_MAKING = pytest.StashKey[LeashedProcess]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Have the classes of Spark's JVMs archived beside the first tests, where that was not done before."""
    if hasattr(session.config, "workerinput") or jvm.archive().exists():
        return
    log = Path(_HOME.name) / "archive.log"
    command = [sys.executable, "-m", "tests.jvm"]
    session.config.stash[_ARCHIVE_IN_THE_MAKING] = LeashedProcess(command, log, os.environ, jvm.ROOT)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where it cannot be made: all would be as it was, and slower, and nobody would know."""
    making = session.config.stash.get(_ARCHIVE_IN_THE_MAKING, None)
    if making is not None and making.exit_code:
        session.config.get_terminal_writer().line(f"\nSpark's classes were not archived: {making.log_text()}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure(config: pytest.Config) -> None:
    """A run that is shorter than the making leaves it to a later one."""
    if making := config.stash.get(_ARCHIVE_IN_THE_MAKING, None):
        making.end()


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SparkSession]":
    """The one SparkSession of this process, on local[2,2]: a task is tried a second time.

    A `spark://` master needs a process of its own: `clusters.run_python`.
    """
    from pyspark.sql import SparkSession

    folder = tmp_path_factory.mktemp("spark")
    settings = {
        "spark.driver.bindAddress": LOOPBACK,
        "spark.driver.extraJavaOptions": jvm.SERIAL,
        "spark.driver.host": LOOPBACK,
        "spark.local.dir": str(folder / "local"),
        "spark.python.daemon.module": "tests.daemon",
        # Hardly a query is asked twice here, and to compile each costs more than to run it. Clusters, servers and
        # commands of their own compile, as users' jobs do.
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    session = SparkSession.builder.master("local[2,2]").config(map=dict(settings)).getOrCreate()
    yield session
    session.stop()


@pytest.fixture(scope="session")
def spark_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    """A real cluster of two workers with two cores and two made-up GPUs each, started when it is asked for first."""
    with SparkCluster(tmp_path_factory.mktemp("cluster"), gpus=("0", "1")) as cluster:
        yield cluster


# --- MLflow


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server; `new_database()` gives each who asks an empty database."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def mlflow_server(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> Iterator[MlflowServer]:
    """A real MLflow server over PostgreSQL; tests share it, so each takes model names of its own."""
    folder = tmp_path_factory.mktemp("mlflow-server")
    with MlflowServer(postgres.new_database(), folder / "artifacts") as server:
        yield server


@pytest.fixture(scope="session")
def registry_template(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """An empty registry's database: the migrations take seconds, so they run once, for all processes of a run."""
    base = tmp_path_factory.getbasetemp()
    # Not by a variable, which a pytest that a test starts would have, too.
    folder = base.parent if hasattr(pytestconfig, "workerinput") else base
    database = folder / "registry-template.db"
    with (folder / "registry-template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not database.exists():
            _migrate(folder / "registry-template.new").replace(database)
    return database


def _migrate(database: Path) -> Path:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    artifacts = (database.parent / "artifacts").as_uri()
    SqlAlchemyStore(f"sqlite:///{database}", artifacts).engine.dispose()  # type: ignore[no-untyped-call]
    return database


@pytest.fixture(scope="session", autouse=True)
def newest_schema() -> Iterator[None]:
    """Ask MLflow's migrations once which is the newest, and not for each database that a test opens."""
    from mlflow.store.db import utils

    with pytest.MonkeyPatch.context() as patched:
        found = functools.cache(utils._get_latest_schema_revision)
        patched.setattr(utils, "_get_latest_schema_revision", found)
        yield


def copy_registry(template: Path, folder: Path, artifacts: str) -> str:
    """The URI of a fresh copy in `folder`, whose default experiment keeps its artifacts at `artifacts`."""
    database = folder / "mlflow.db"
    shutil.copyfile(template, database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = ?", (artifacts,))
    return f"sqlite:///{database}"


@pytest.fixture
def registry_uri(registry_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty SQLite registry below tmp_path, which MLflow's clients use when nothing else is said."""
    folder = tmp_path / "registry"
    artifacts = folder / "artifacts"
    artifacts.mkdir(parents=True)
    uri = copy_registry(registry_template, folder, artifacts=(artifacts / "0").as_uri())
    forget_mlflow_state()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", uri)
    # New experiments would put their artifacts into ./mlruns.
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", artifacts.as_uri())
    yield uri
    forget_mlflow_state()


def forget_mlflow_state() -> None:
    """Undo set_tracking_uri, set_registry_uri and set_experiment, and end runs that are still open."""
    import mlflow
    from mlflow.tracking import fluent
    from mlflow.tracking._model_registry import utils as registry_utils

    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    registry_utils._registry_uri = None
    fluent._active_experiment_id = None
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
