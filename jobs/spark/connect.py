"""Sessions on a Spark Connect server: which one is meant, and how it is reached. No JVM is started for one."""

import atexit
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.utils import is_remote

from ..errors import InputError, SparkUnavailable
from .faults import explain
from .paths import as_path

VARIABLE = "SPARK_REMOTE"
# As PySpark asks for them, one by one and each with an error of its own.
_PACKAGES = ("grpc", "grpc_status", "google.rpc", "zstandard")
_SCHEME = "sc://"
_SESSION = "session_id="
# Of what a session does by itself, what one on a server may be told: the rest is the server's.
_SETTABLE = "spark.sql."
_STATIC = ("CANNOT_MODIFY_CONFIG", "CANNOT_MODIFY_STATIC_CONFIG")
# Each wait is four times the last one, from 50 ms to 10 s: in all some 4 s, and some 25 s.
_TRIES_TO_REACH, _TRIES_MEANWHILE, _LONGEST_WAIT_MS = 4, 6, 10_000


def is_meant() -> bool:
    """Whether sessions of this process are a server's: SPARK_REMOTE says so, or there is one already."""
    return VARIABLE in os.environ or is_remote()


def is_one(spark: SparkSession) -> bool:
    """Whether a session is a server's."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


@contextmanager
def heeded(remote: str | None, master: str | None) -> Iterator[None]:
    """Inside, `remote` is the server that sessions are of; without one, it is what SPARK_REMOTE says, if anything.

    Raises InputError beside a master, and on what is no server's address; SparkUnavailable where packages are missing.
    """
    said = remote or os.environ.get(VARIABLE)
    if said is None:
        yield
        return
    option = f"--remote {shown(said)!r}" if remote else f"{VARIABLE}={shown(said)!r}"
    if master is not None:
        raise InputError(
            f"{option} names a Spark Connect server and --master {master!r} a cluster: name one."
        )
    if not said.startswith(_SCHEME):
        raise InputError(f"{option} is no address of a Spark Connect server: write sc://HOST:PORT.")
    need_packages()
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = said
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


def need_packages() -> None:
    """Raises SparkUnavailable where this Python cannot talk to a server."""
    try:
        for name in _PACKAGES:
            import_module(name)
    except ImportError as error:
        raise SparkUnavailable(
            f"Spark Connect takes packages that are not here ({error}): pip install 'stagewright[connect]'."
        ) from error


def shown(url: str) -> str:
    """An address without what follows it, which may be a token."""
    return url.partition("/;")[0]


def open_session(defaults: Mapping[str, str], conf: Mapping[str, str]) -> SparkSession:
    """A session of the server that SPARK_REMOTE names, or the one there is, with these settings of it.

    A user's `conf` wins over `defaults`, of which a session that is there already gets none. Raises SparkUnavailable
    where nobody answers within some seconds, InputError on a setting that only the server can be started with.
    """
    running = SparkSession.getActiveSession() if is_remote() else None
    session: Any = running or _made(os.environ.get(VARIABLE, ""))
    own = {} if running else {key: value for key, value in defaults.items() if key.startswith(_SETTABLE)}
    for key, value in {**own, **conf}.items():
        _set(session, key, value)
    found: SparkSession = session
    return found


def _made(url: str) -> Any:
    need_packages()
    from pyspark.sql.connect.client.retries import DefaultPolicy

    def policy(tries: int) -> Any:
        return DefaultPolicy(max_retries=tries, max_backoff=_LONGEST_WAIT_MS)

    # It warns of each wait that is in vain, and then raises.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"pyspark\.sql\.connect")
    try:
        made: Any = SparkSession.builder.remote(url).getOrCreate()
        made.client.set_retry_policies([policy(_TRIES_TO_REACH)])
        _ask(made)
    except PySparkException as error:
        raise SparkUnavailable(
            f"The Spark Connect server {shown(url)!r} cannot be used: {explain(error)} Is it there, and may you use it?"
        ) from error
    made.client.set_retry_policies([policy(_TRIES_MEANWHILE)])
    if _SESSION not in url:  # else others may go on with it
        atexit.register(_end, made)
    return made


def _ask(session: Any) -> None:
    """The first that a server is asked for. A session that got no answer is not the one that later ones find."""
    try:
        session.version  # noqa: B018 - asks
    except PySparkException:
        session.release_session_on_close = False  # nobody is there to be told
        session.stop()
        raise


def _end(session: Any) -> None:
    """What runs in it ends, too."""
    with suppress(Exception):
        session.client.set_retry_policies([])
        session.stop()


def _set(session: Any, key: str, value: str) -> None:
    try:
        session.conf.set(key, value)
    except PySparkException as error:
        if error.getCondition() not in _STATIC:
            raise
        raise InputError(
            f"--conf {key}={value}: a Spark Connect server is started with that setting, and no session of it can "
            "change it. Leave it out, or ask who runs the server."
        ) from error


# --- what a server's session is asked about files, in place of its JVM


def exists(spark: SparkSession, path: str) -> bool:
    """Whether the server sees anything at a path, which may be a glob."""
    try:
        spark.read.format("binaryFile").load(path).schema  # noqa: B018 - has the server look
    except PySparkException as error:
        if error.getCondition() == "PATH_NOT_FOUND":
            return False
        raise
    return True


def all_below(spark: SparkSession, path: str) -> DataFrame:
    """Whatever files are in a folder, to its depth."""
    return spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(path)


def listed_paths(frame: DataFrame) -> list[str]:
    """The path of each file of a DataFrame, as a column of it has them; also those that a scan leaves out as empty."""
    return [as_path(file) for file in frame.inputFiles()]
