"""The Spark session of a command, and its settings: each with its reason; a user's own `--conf` wins."""

import atexit
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from .. import scratch
from ..errors import SparkUnavailable
from . import class_archive, connect, jvm
from .faults import explain

DEFAULTS: dict[str, str] = {
    # binaryFile counts 4 MB for opening a file, which packs only some 31 photos into a task of 128 MB.
    "spark.sql.files.openCostInBytes": str(64 * 1024),
    # Reads the next Arrow batch while Python works on this one: 4 to 6 %.
    "spark.python.udf.pipelined.enabled": "true",
    # Not spark.python.unix.domain.socket.enabled: bytes alone go over faster, but a whole job of 6,000 photos with a
    # network that costs nothing took as long (560 and 580 photos a second with it, 580 and 560 without), and when the
    # session ends its idle workers write to a closed socket and leave their tracebacks on the console.
    # Bytes, not rows, decide how much goes over at once: 10,000 rows of photos would be a gigabyte.
    "spark.sql.execution.arrow.maxBytesPerBatch": str(16 * 1024 * 1024),
    # With a columnar child Spark 4.3 keeps whole batches of photos on the heap beside the UDF, up to 10,000 rows:
    # 3,200 photos of 106 KB ran a 1 GB heap out of memory. Row by row they go through a queue that can spill.
    "spark.sql.parquet.enableVectorizedReader": "false",
    "spark.sql.orc.enableVectorizedReader": "false",
    # spark.task.cpus is 1, and for a big model all cores of an executor: `workers`. Spark itself sets OMP_NUM_THREADS
    # of a worker to it, and the wrapper's threads follow.
    # What else there is in Spark's log is for its developers; `--conf spark.log.level=INFO` brings it back.
    "spark.log.level": "ERROR",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
}
# On a local master the JVM starts and ends with the job and shares the cores with the workers, and all it does is copy:
# C2's compiler and G1's marking cost more than they bring. Spark puts these before spark.driver.extraJavaOptions.
LOCAL_DEFAULTS: dict[str, str] = {
    "spark.driver.defaultJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseParallelGC",
}
# A local master gives up at a task's first failure, whatever its settings say; clusters try it so often.
MAX_FAILURES = "spark.task.maxFailures"
DEFAULT_MAX_FAILURES = "4"

# What Spark's scripts give to the JVM of a session.
_JVM_OPTIONS = "SPARK_SUBMIT_OPTS"


def open_session(
    master: str | None = None, conf: Mapping[str, str] | None = None, log: Path | None = None
) -> SparkSession:
    """The session that is there already (`spark-submit`, a notebook), else a new one; of a server where one is meant.

    `master` None leaves the choice to spark-submit, which means all local cores where nothing else is set. A local
    master tries a task again, as often as a cluster does. What a JVM that is started here has to say goes to the file
    `log`, else to stderr. Settings that an existing session has are not changed, but for `conf`. Raises
    SparkUnavailable.
    """
    own = dict(conf or {})
    if connect.is_meant():
        with connect.heeded(None, master):
            return connect.open_session(DEFAULTS, own)
    _choose_python(own, master)
    running = SparkSession.getActiveSession()
    if running is None:
        master = _trying_again(master or own.pop("spark.master", None), own)
    defaults = {**DEFAULTS, **(LOCAL_DEFAULTS if _is_local(master) else {})}
    builder = SparkSession.builder.appName("stagewright").config(map={**({} if running else defaults), **own})
    if master:
        builder = builder.master(master)
    _need_java()
    try:
        if running is None:
            with _told(class_archive.options() if _is_local(master) else ""):
                jvm.launch({**defaults, **own, **({"spark.master": master} if master else {})}, log)
        session = builder.getOrCreate()
    except PySparkException as error:
        raise SparkUnavailable(f"Spark did not start: {explain(error)} Try `stagewright doctor`.") from error
    except Exception as error:  # py4j wraps what the JVM throws, an unreachable master included
        next_step = "Try `stagewright doctor`." if _is_local(master) else "Is the master there?"
        raise SparkUnavailable(
            f"Spark did not start on master {master or 'local'!r}: {explain(error)} {next_step}"
        ) from error
    if running is None:
        atexit.register(jvm.end)  # before this process's temporary folder goes
    return session


def is_own_local(master: str | None, conf: Mapping[str, str]) -> bool:
    """Whether `open_session` would start a local Spark of this process's own."""
    return (
        SparkSession.getActiveSession() is None
        and (master is not None or not _is_set_elsewhere())
        and _is_local(master or conf.get("spark.master"))
    )


def _trying_again(master: str | None, conf: Mapping[str, str]) -> str | None:
    """The same master, but that a local one whose user did not say how often it tries a task tries it again."""
    if master is None and not _is_set_elsewhere():
        master = "local[*]"
    local = re.fullmatch(r"local(?:\[(\d+|\*)\])?", master or "")
    if local is None:
        return master
    return f"local[{local[1] or 1},{conf.get(MAX_FAILURES, DEFAULT_MAX_FAILURES)}]"


def _is_set_elsewhere() -> bool:
    """Whether spark-submit may know of a master: it runs us, or its settings name one."""
    if os.environ.keys() & {"PYSPARK_GATEWAY_PORT", "PYSPARK_SUBMIT_ARGS", "MASTER", "SPARK_REMOTE"}:
        return True
    home = os.environ.get("SPARK_HOME")
    folder = os.environ.get("SPARK_CONF_DIR") or (home and str(Path(home) / "conf"))
    defaults = Path(folder) / "spark-defaults.conf" if folder else None
    if defaults is None or not defaults.is_file():
        return False
    return re.search(r"^\s*spark\.master\b", defaults.read_text(errors="replace"), re.MULTILINE) is not None


@contextmanager
def _told(options: str) -> Iterator[None]:
    """A JVM that is started inside has these options, and keeps its temporary files in this process's folder.

    Spark's are there for want of another setting: SPARK_LOCAL_DIRS and spark.local.dir hold wherever they are set.
    """
    before = os.environ.get(_JVM_OPTIONS)
    # In front, so that a folder which somebody named there is the last one named.
    inside = f'"-Djava.io.tmpdir={scratch.folder()}" "-XX:ErrorFile={scratch.folder()}/hs_err_pid%p.log"'
    os.environ[_JVM_OPTIONS] = f"{inside} {options} {before or ''}".strip()
    try:
        yield
    finally:
        os.environ.pop(_JVM_OPTIONS)
        if before is not None:
            os.environ[_JVM_OPTIONS] = before


def _need_java() -> None:
    home = os.environ.get("JAVA_HOME")
    found = (Path(home) / "bin" / "java").exists() if home else shutil.which("java") is not None
    if not found:
        raise SparkUnavailable(
            "Spark needs a JDK of version 17 or newer and finds no `java`; "
            "install one (for instance openjdk-17-jdk-headless) or set JAVA_HOME."
        )


def _choose_python(conf: Mapping[str, str], master: str | None) -> None:
    """Workers of a local master run this very Python; PySpark itself would take `python3` off the PATH."""
    chosen = conf.get("spark.pyspark.python")
    if chosen:
        os.environ["PYSPARK_PYTHON"] = chosen
    elif _is_local(master):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)


def _is_local(master: str | None) -> bool:
    return master is None or master.startswith("local")
