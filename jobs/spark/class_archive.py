"""The classes of a local Spark, kept for each start as the JVM's own kind of file: application class-data sharing.

A JVM of Spark spends most of its first seconds on reading and verifying classes out of 280 jars. Where they are kept in
the user's cache folder each one maps that file instead. What does not fit (another JDK, other jars, other settings of
memory) the JVM itself finds out, and reads the jars. To make the file takes longer than a small job, so no job does.
"""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import SparkUnavailable

# For each JDK and each Spark one; 190 MB each.
KEPT = 3
TIMEOUT_S = 600
# Somebody has chosen already.
_CHOSEN = ("SharedArchiveFile", "ArchiveClassesAtExit", "-Xshare:")
# An archive that does not fit a JVM is told on stdout, which is for answers.
SILENT = "-Xlog:cds=off -Xlog:cds+dynamic=off -Xlog:class+path=off"
_MODULE = "jobs.spark.class_archive"  # which has no name of its own where it is run
# Such a session ends before the second compiler has earned what its threads cost.
FEW_COMPILERS = "-XX:TieredStopAtLevel=1"
_OPTIONS = ("SPARK_SUBMIT_OPTS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")


def options() -> str:
    """For a local master's JVM: to use the file where there is one, and nobody has named another."""
    said = " ".join(os.environ.get(name, "") for name in _OPTIONS)
    kept = None if any(word in said for word in _CHOSEN) else kept_at()
    return f'"-XX:SharedArchiveFile={kept}" {SILENT}' if kept is not None and kept.is_file() else ""


def kept_at() -> Path | None:
    """Where the file of this JDK and this Spark is, or is to be; None without a JDK, or a folder of the user alone."""
    folder, java, home = _private_folder(), find_java(), spark_home()
    if folder is None or java is None or home is None:
        return None
    return folder / f"{digest(java, home)}.jsa"


def make() -> Path:
    """Run a small session and keep the classes that it loaded, unless they are; the oldest files go.

    Raises SparkUnavailable.
    """
    kept = kept_at()
    if kept is None:
        raise SparkUnavailable(
            "Spark's classes cannot be kept: that takes a JDK, and a cache folder that nobody else can write to "
            "(XDG_CACHE_HOME, or ~/.cache)."
        )
    if kept.is_file():
        return kept
    write(kept)
    by_age = sorted(kept.parent.glob("*.jsa"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for older in by_age[KEPT:]:
        older.unlink(missing_ok=True)
    return kept


def write(kept: Path, module: str = _MODULE) -> None:
    """The file, whole or not at all. `module`: what is run, with a folder as its argument, by a JVM.

    Raises SparkUnavailable.
    """
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        made = Path(scratch) / "classes.jsa"
        env = {
            **os.environ,
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_SUBMIT_OPTS": f'"-XX:ArchiveClassesAtExit={made}" {SILENT} {FEW_COMPILERS}',
        }
        done = subprocess.run(
            [sys.executable, "-m", module, scratch],
            env=env,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if not made.is_file():
            why = (done.stderr.strip().splitlines() or ["the JVM left none"])[-1]
            raise SparkUnavailable(f"Spark's classes were not kept: {why}")
        made.replace(kept)


def find_java() -> Path | None:
    """The program that runs Spark."""
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    return Path(found).resolve() if found and Path(found).exists() else None


def spark_home() -> Path | None:
    """The folder of the Spark that is started here."""
    spec = find_spec("pyspark")
    home = os.environ.get("SPARK_HOME") or (spec and spec.origin and str(Path(spec.origin).parent))
    return Path(home) if home and (Path(home) / "jars").is_dir() else None


def digest(java: Path, home: Path) -> str:
    """Of all that decides which classes there are."""
    jars = sorted((home / "jars").iterdir())
    known = [str(java), str(java.stat().st_mtime_ns), str(home)]
    known += [f"{jar.name} {jar.stat().st_mtime_ns}" for jar in jars]
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:16]


def _private_folder() -> Path | None:
    """A part of the user's cache that is this user's alone: whoever writes here runs code in our JVMs."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    folder = base / "stagewright" / "spark-classes"
    if not folder.is_absolute():
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if all(_is_ours_alone(each) for each in (folder, folder.parent)) else None
    except OSError:
        return None


def _is_ours_alone(folder: Path) -> bool:
    status = folder.lstat()
    writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not writable


# --- what is run so that its classes are loaded


def use(spark: Any, folder: Path) -> None:
    """What jobs ask of Spark, of files that are made in `folder`."""
    for i in range(4):
        (folder / f"{i}.jpg").write_bytes(bytes(100))
    photos = spark.read.format("binaryFile").option("pathGlobFilter", "*.jpg").load(str(folder))
    answered = photos.mapInArrow(_same, photos.schema).where("path IS NOT NULL").repartition(2)
    answered.write.parquet(str(folder / "scored"))
    found = spark.read.parquet(str(folder / "scored"))
    found.write.json(str(folder / "json"))
    found.groupBy("length").count().orderBy("count").collect()
    found.select("path", "_metadata.file_path").toPandas()
    found.mapInPandas(_same, found.schema).createOrReplaceTempView("found")
    spark.sql("SELECT path, row_number() OVER (ORDER BY path) FROM found WHERE length > 1").collect()
    spark.createDataFrame([("a", b"b")], "path string, content binary").join(found, "path", "left").count()
    spark.sparkContext.parallelize(range(4), 2).map(str).collect()


def _same(batches: Iterator[Any]) -> Iterator[Any]:
    return batches


@contextmanager
def session(folder: Path) -> Iterator[Any]:
    """A session on two cores of a JVM that ends after it, and writes the file then."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.port": "0",
    }
    spark = SparkSession.builder.master("local[2]").config(map=dict(settings)).getOrCreate()
    yield spark
    from . import jvm

    spark.stop()
    jvm.end(TIMEOUT_S)


def main(arguments: list[str]) -> None:
    """Keep the classes, or, with a folder, be the session whose classes are kept."""
    if not arguments:
        try:
            make()
        except SparkUnavailable as error:
            sys.exit(str(error))
        return
    folder = Path(arguments[0])
    with session(folder) as spark:
        use(spark, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
