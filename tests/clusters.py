"""What the tests run against: a real standalone Spark cluster, a real MLflow server, fresh Pythons."""

import json
import os
import pwd
import re
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Self

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import jvm, leash
from tests.jvm import spark_home

LOOPBACK = "127.0.0.1"


class NotReadyError(Exception):
    """A process did not come up in time; the message ends with the tail of its log."""


# --- processes


class LeashedProcess:
    """A command whose session of processes ends with `end()`, or with this process, however that ends."""

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self._popen = _popen(command, output, subprocess.STDOUT, env, cwd)

    @property
    def session_id(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """Of the command; None while it runs."""
        return self._popen.poll()

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_until(self, ready: Callable[[], bool], what: str, timeout_s: float = 240) -> None:
        """Return as soon as `ready()` holds; raise NotReadyError when the command ends or the time is up."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            ended = self._popen.poll()
            if ended is not None or time.monotonic() > deadline:
                why = f"not within {timeout_s} s" if ended is None else f"exited with {ended}"
                raise NotReadyError(f"{what}: {why}\n{self.log_text()[-4000:]}")
            time.sleep(0.05)

    def end(self) -> None:
        _let_go(self._popen)


def _popen(
    command: Sequence[str],
    stdout: IO[bytes],
    stderr: IO[bytes] | int,
    env: Mapping[str, str],
    cwd: Path,
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-I", "-S", leash.__file__, *command],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        env=dict(env),
        cwd=cwd,
        start_new_session=True,
    )


def _let_go(process: "subprocess.Popen[bytes]") -> int:
    """Close the leash's pipe, wait until all of its session is gone, return the command's exit status."""
    assert process.stdin is not None
    process.stdin.close()
    return process.wait(timeout=leash.GRACE_S + 30)


def free_port() -> int:
    """A port of the loopback interface that was free just now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def http_get(url: str) -> bytes | None:
    """The body of a successful answer, or None while nobody answers."""
    # Without a proxy: where one is set for the internet, it knows nothing of this machine's loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            body: bytes = answer.read()
            return body
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


# --- a script in a Python of its own


@dataclass(frozen=True)
class Finished:
    """How a script ended; `returncode` is 124 where its time was up."""

    returncode: int
    stdout: str
    stderr: str

    def check(self) -> Self:
        """Itself, or AssertionError with all that the script said."""
        said = f"--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"
        assert self.returncode == 0, f"exit {self.returncode}\n{said}"
        return self


def run_python(
    script: str | Path,
    *,
    args: Sequence[str] = (),
    env: Mapping[str, str | None] | None = None,
    timeout_s: float = 400,
    master: str | None = None,
    conf: Mapping[str, str] | None = None,
) -> Finished:
    """Run a script, or its (indented) source, in a fresh Python; nothing that it started outlives the call.

    PySpark allows one SparkContext in a process, so whatever needs a `spark://` master runs like this: with
    `master`, `SparkSession.builder.getOrCreate()` in the script gets a session there, set up as `conf` says.
    `env` is added to the environment of this process; None takes a variable out. The working folder is an
    empty temporary one.
    """
    with tempfile.TemporaryDirectory(prefix="stagewright-script-") as scratch:
        folder = Path(scratch)
        if isinstance(script, str):
            source, script = textwrap.dedent(script), folder / "script.py"
            script.write_text(source)
        (folder / "cwd").mkdir()
        command = [sys.executable, str(script), *args]
        return run_command(
            command,
            env={**spark_submit_environment(master, conf or {}), **(env or {})},
            timeout_s=timeout_s,
            cwd=folder / "cwd",
        )


def run_command(
    command: Sequence[str],
    *,
    env: Mapping[str, str | None] | None = None,
    timeout_s: float = 400,
    cwd: Path | None = None,
) -> Finished:
    """Run any command like `run_python` does; without `cwd` in an empty temporary folder."""
    with tempfile.TemporaryDirectory(prefix="stagewright-run-") as scratch:
        out, err = Path(scratch) / "stdout", Path(scratch) / "stderr"
        (Path(scratch) / "cwd").mkdir()
        with out.open("wb") as stdout, err.open("wb") as stderr:
            merged = {**os.environ, **(env or {})}
            environment = {key: value for key, value in merged.items() if value is not None}
            process = _popen(command, stdout, stderr, environment, cwd or Path(scratch) / "cwd")
            late = False
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                late = True
            finally:
                returncode = _let_go(process)
        said = [part.read_text(errors="replace") for part in (out, err)]
    if late:
        said[1] += f"\nended after {timeout_s} s: out of time"
    return Finished(124 if late else returncode, *said)


def spark_submit_environment(master: str | None, conf: Mapping[str, str]) -> dict[str, str]:
    """The environment in which a script's SparkSession takes these settings unless it sets its own."""
    if master is None and not conf:
        return {}
    defaults = {
        "spark.driver.extraJavaOptions": jvm.SERIAL,
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    settings = {**defaults, **conf}
    words = [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
    if master is not None:
        words = ["--master", master, *words]
    quoted = " ".join(f'"{word}"' for word in words)
    return {"PYSPARK_SUBMIT_ARGS": f"{quoted} pyspark-shell"}


def python_with_only(requirements: Sequence[str], folder: Path) -> Path:
    """The interpreter of a new environment that has these distributions and what they depend on, nothing else.

    Cheap: the files are links to this environment's, of the versions that it has.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    inside = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    outside = Path(sysconfig.get_path("purelib"))
    for name in _with_dependencies(requirements):
        for file in distribution(name).files or []:
            target = inside / file
            if ".." not in file.parts and (outside / file).exists() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(outside / file)
    return folder / "bin" / "python"


def _with_dependencies(requirements: Sequence[str]) -> set[str]:
    """Names of the distributions that pip would install here for these requirements, extras left aside."""
    found: set[str] = set()
    wanted = [Requirement(line) for line in requirements]
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found.add(name)
            wanted += [Requirement(line) for line in distribution(name).requires or []]
    return found


# --- Spark


@dataclass
class SparkCluster:
    """A standalone Spark cluster on 127.0.0.1: a master and `workers` worker processes of `cores` cores each.

    Each worker offers the GPU addresses in `gpus`, which need not exist. `environment` is added to the
    workers' and so to their executors'. Logs and work folders go below `folder`. An application that does not ask
    for more gets one core of each worker.
    """

    folder: Path
    workers: int = 2
    cores: int = 2
    memory: str = "2g"
    gpus: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    url: str = field(default="", init=False)
    _processes: list[LeashedProcess] = field(default_factory=list, init=False)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def session_ids(self) -> list[int]:
        """Of all that the cluster runs: a process belongs to it if its session is one of these."""
        return [process.session_id for process in self._processes]

    def end(self) -> None:
        """End the workers, then the master; returns when the last process is gone."""
        while self._processes:
            self._processes.pop().end()

    def _start(self) -> None:
        options = f"-Dspark.master.rest.enabled=false -Dspark.deploy.defaultCores={self.workers}"
        master = self._launch("Master", [], {"SPARK_MASTER_OPTS": options})
        # Port 0, read back from the log: a port looked up beforehand can be taken when Spark wants it.
        master.wait_until(lambda: "service 'MasterUI' on port" in master.log_text(), "Spark master")
        self.url = f"spark://{LOOPBACK}:{_port(master, 'sparkMaster')}"
        status_url = f"http://{LOOPBACK}:{_port(master, 'MasterUI')}/json/"
        for number in range(self.workers):
            self._launch_worker(number)
        master.wait_until(lambda: _alive_workers(status_url) == self.workers, f"{self.workers} Spark workers")

    def _launch_worker(self, number: int) -> None:
        work = self.folder / f"worker-{number}"
        options = ["-c", str(self.cores), "-m", self.memory, "-d", str(work), self.url]
        self._launch("Worker", options, {"SPARK_WORKER_OPTS": self._gpu_options(), **self.environment})

    def _gpu_options(self) -> str:
        if not self.gpus:
            return ""
        script = self.folder / "discover-gpus"
        found = json.dumps({"name": "gpu", "addresses": list(self.gpus)})
        script.write_text(f"#!/bin/sh\ncat <<'JSON'\n{found}\nJSON\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        resource = "-Dspark.worker.resource.gpu"
        return f"{resource}.amount={len(self.gpus)} {resource}.discoveryScript={script}"

    def _launch(self, role: str, options: Sequence[str], environment: Mapping[str, str]) -> LeashedProcess:
        scratch = self.folder / "local"
        scratch.mkdir(exist_ok=True)
        spark = {
            "SPARK_HOME": str(spark_home()),
            "SPARK_LOCAL_IP": LOOPBACK,
            "SPARK_LOCAL_DIRS": str(scratch),
            "SPARK_DAEMON_MEMORY": "512m",
            # Read by every JVM, so by the executors of whoever brings a job.
            "JDK_JAVA_OPTIONS": f"{jvm.quick()} {jvm.SERIAL}",
        }
        main_class = f"org.apache.spark.deploy.{role.lower()}.{role}"
        address = ["--host", LOOPBACK, "--port", "0", "--webui-port", "0"]
        command = [str(spark_home() / "bin" / "spark-class"), main_class, *address, *options]
        log = self.folder / f"{len(self._processes)}-{role.lower()}.log"
        process = LeashedProcess(command, log, {**os.environ, **spark, **environment}, self.folder)
        self._processes.append(process)
        return process


def _port(process: LeashedProcess, service: str) -> int:
    found = re.search(rf"service '{service}' on port (\d+)", process.log_text())
    assert found is not None, process.log_text()
    return int(found[1])


def _alive_workers(status_url: str) -> int:
    answer = http_get(status_url)
    if answer is None:
        return 0
    return sum(worker["state"] == "ALIVE" for worker in json.loads(answer)["workers"])


class ConnectServer:
    """A Spark Connect server on 127.0.0.1, of a local master with two cores; `folder` is its working folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = ""
        self._process: LeashedProcess | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / "server.log"
        process = LeashedProcess(self._command(), log, self._environment(), self._folder)
        self._process = process
        started = "Spark Connect server started at"
        try:
            process.wait_until(lambda: started in process.log_text(), "Spark Connect server")
        except BaseException:
            self.end()
            raise
        found = re.search(rf"{started}: \S*:(\d+)", process.log_text())
        assert found is not None, process.log_text()
        self.url = f"sc://{LOOPBACK}:{found[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End the server; returns when its last process is gone."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _command(self) -> list[str]:
        settings = {
            "spark.connect.grpc.binding.address": LOOPBACK,
            # Port 0, read back from the log.
            "spark.connect.grpc.binding.port": "0",
            "spark.driver.memory": "1g",
            "spark.driver.extraJavaOptions": jvm.SERIAL,
            "spark.sql.shuffle.partitions": "2",
            "spark.ui.enabled": "false",
        }
        words = [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
        main_class = "org.apache.spark.sql.connect.service.SparkConnectServer"
        submit = [str(spark_home() / "bin" / "spark-submit"), "--master", "local[1]", "--class", main_class]
        return [*submit, *words, "spark-internal"]

    def _environment(self) -> dict[str, str]:
        (self._folder / "local").mkdir(exist_ok=True)
        said = {
            "SPARK_HOME": str(spark_home()),
            "SPARK_LOCAL_IP": LOOPBACK,
            "SPARK_LOCAL_DIRS": str(self._folder / "local"),
            "PYSPARK_PYTHON": sys.executable,
            **jvm.environment(),
        }
        # Where the client keeps its models is nothing that workers may count on.
        unset = {"SPARK_REMOTE", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PYSPARK_SUBMIT_ARGS"}
        return {**{key: value for key, value in os.environ.items() if key not in unset}, **said}


# --- PostgreSQL

# PostgreSQL refuses to run as root. As root, it runs as the first of these that there is.
POSTGRES_USERS = ("postgres", "nobody")
_AS_USER = "import os, sys; os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[2])); \
os.execv(sys.argv[3], sys.argv[3:])"


class PostgresServer:
    """A PostgreSQL server on 127.0.0.1 with a folder of its own, which is gone when it ends.

    It is the machine's own where there is one, else that of the package pgserver.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"postgresql+psycopg2://stagewright@{LOOPBACK}:{self.port}/postgres"
        self._user = _unprivileged() if os.getuid() == 0 else None
        # Not below pytest's folders: those are closed to other users.
        self._folder = Path(tempfile.mkdtemp(prefix="stagewright-postgres-"))
        self._process: LeashedProcess | None = None

    def __enter__(self) -> Self:
        programs = self._programs()
        data = self._folder / "data"
        data.mkdir()
        if self._user is not None:
            for path in (self._folder, data):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        try:
            made = subprocess.run(
                self._command(
                    programs / "initdb", "-D", data, "-U", "stagewright", "-A", "trust", "--no-sync"
                ),
                capture_output=True,
                text=True,
                check=False,
                cwd=self._folder,
            )
            if made.returncode:
                raise NotReadyError(f"initdb: {made.stderr[-4000:]}")
            self._start(programs, data)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def new_database(self) -> str:
        """The URI of an empty database of its own."""
        import sqlalchemy

        name = f"d{uuid.uuid4().hex}"
        engine = sqlalchemy.create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self.url.removesuffix("postgres") + name

    def end(self) -> None:
        """End the server; returns when its last process is gone."""
        if self._process is not None:
            self._process.end()
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, programs: Path, data: Path) -> None:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",  # the machine's fall would only end a test
            "max_connections": "200",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        command = self._command(programs / "postgres", "-D", data, *options)
        process = LeashedProcess(command, self._folder / "server.log", os.environ, self._folder)
        self._process = process
        process.wait_until(lambda: "ready to accept connections" in process.log_text(), "PostgreSQL")

    def _programs(self) -> Path:
        """The folder of `initdb` and `postgres`, where the server's user may run them."""
        installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if installed:
            return installed[-1].parent
        found = find_spec("pgserver")
        assert found is not None, "no PostgreSQL on this machine: pip install pgserver"
        assert found.origin is not None
        package = Path(found.origin).parent
        if self._user is not None:
            # The environment may lie where only root can look; the programs find their libraries beside them.
            for part in (package, package.with_name("pgserver.libs")):
                shutil.copytree(part, self._folder / part.name)
            package = self._folder / package.name
        return package / "pginstall" / "bin"

    def _command(self, *command: str | Path) -> list[str]:
        words = [str(word) for word in command]
        if self._user is None:
            return words
        return [
            sys.executable,
            "-I",
            "-S",
            "-c",
            _AS_USER,
            str(self._user.pw_gid),
            str(self._user.pw_uid),
            *words,
        ]


def _unprivileged() -> pwd.struct_passwd:
    known = {user.pw_name: user for user in pwd.getpwall()}
    return next(known[name] for name in POSTGRES_USERS if name in known)


# --- MLflow


class MlflowServer:
    """A tracking server and registry on 127.0.0.1 over the given store; it serves the artifacts too."""

    def __init__(self, backend_store_uri: str, artifacts_dir: Path) -> None:
        self.backend_store_uri = backend_store_uri
        self.artifacts_dir = artifacts_dir
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._process: LeashedProcess | None = None

    def __enter__(self) -> Self:
        self.artifacts_dir.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="stagewright-mlflow-"))
        process = LeashedProcess(self._command(), folder / "server.log", self._environment(), folder)
        self._process = process
        try:
            process.wait_until(lambda: http_get(f"{self.url}/health") == b"OK", "MLflow server")
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def session_ids(self) -> list[int]:
        """As in SparkCluster."""
        return [] if self._process is None else [self._process.session_id]

    def end(self) -> None:
        """End the server and all its workers; returns when the last process is gone."""
        if self._process is not None:
            self._process.end()
            shutil.rmtree(self._process.log.parent, ignore_errors=True)
            self._process = None

    def _command(self) -> list[str]:
        store = ["--backend-store-uri", self.backend_store_uri]
        artifacts = ["--artifacts-destination", str(self.artifacts_dir)]
        address = ["--host", LOOPBACK, "--port", str(self.port), "--workers", "1"]
        return [sys.executable, "-m", "mlflow", "server", *store, *artifacts, *address]

    def _environment(self) -> dict[str, str]:
        # The tests' tracking URI would make the server a client of itself; its job runner costs processes.
        unset = {"MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"}
        kept = {key: value for key, value in os.environ.items() if key not in unset}
        return {**kept, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


class AuthenticatedMlflowServer(MlflowServer):
    """The same, and everybody has to say who they are: nobody but its administrator has any right to begin with."""

    ADMIN = ("admin", "password-of-the-administrator")

    def __enter__(self) -> Self:
        super().__enter__()
        self.answer_soon(*self.ADMIN)
        return self

    def answer_soon(self, user: str, password: str) -> None:
        """Keep the password by a hash of one round: that of MLflow's choice takes 60 ms of CPU for each request."""
        from werkzeug.security import generate_password_hash

        quick = generate_password_hash(password, "pbkdf2:sha256:1")
        with closing(sqlite3.connect(self._users)) as database, database:
            database.execute("UPDATE users SET password_hash = ? WHERE username = ?", (quick, user))

    @property
    def _users(self) -> Path:
        return self.artifacts_dir.parent / "basic-auth.db"

    def _command(self) -> list[str]:
        return [*super()._command(), "--app-name", "basic-auth"]

    def _environment(self) -> dict[str, str]:
        settings = self.artifacts_dir.parent / "basic-auth.ini"
        settings.write_text(
            "[mlflow]\n"
            "default_permission = NO_PERMISSIONS\n"
            f"database_uri = sqlite:///{self._users}\n"
            f"admin_username = {self.ADMIN[0]}\n"
            f"admin_password = {self.ADMIN[1]}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        settings.chmod(0o600)
        said = {"MLFLOW_AUTH_CONFIG_PATH": str(settings), "MLFLOW_FLASK_SERVER_SECRET_KEY": "of a test"}
        return {**super()._environment(), **said}
