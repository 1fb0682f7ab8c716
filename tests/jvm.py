"""Spark's JVMs, which tests start by the dozen: what they are told, so that each starts in a third of its time.

A JVM of Spark spends most of its first seconds on reading and verifying classes out of 280 jars. The first run of
the tests in a checkout keeps those classes as the JVM's own kind of archive ("application class-data sharing"),
in the background; from then on each JVM maps that file. Without it, all is as it was, and slower.
"""

import fcntl
import hashlib
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jobs.spark import class_archive

ROOT = Path(__file__).parents[1]
# Tests end before the second compiler and the parallel collector have earned what their threads cost. What a product's
# own JVM collects garbage with stays its own choice: two collectors in one command line are a mistake.
FEW_COMPILERS = "-XX:TieredStopAtLevel=1"
SERIAL = "-XX:+UseSerialGC"


def spark_home() -> Path:
    """Where the pip package keeps Spark."""
    spec = find_spec("pyspark")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def archive() -> Path:
    """The file of this JDK's and this Spark's classes, which may not be there yet."""
    java = class_archive.find_java()
    made_by = Path(__file__).read_text() + Path(class_archive.__file__).read_text()
    known = f"{java and class_archive.digest(java, spark_home())} {made_by}"
    return ROOT / "build" / "spark-classes" / f"{hashlib.sha256(known.encode()).hexdigest()[:16]}.jsa"


def quick() -> str:
    """Options for any JVM of Spark."""
    return f"{FEW_COMPILERS} -XX:SharedArchiveFile={archive()} {class_archive.SILENT}"


def environment() -> dict[str, str]:
    """The variables by which the JVMs that Spark's own scripts start get these options."""
    return {"SPARK_SUBMIT_OPTS": quick(), "SPARK_LAUNCHER_OPTS": f"{FEW_COMPILERS} {SERIAL}"}


def make_archive(target: Path) -> None:
    """Run a session that does a little of all that tests do, and keep the classes that it loaded."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return
        for older in target.parent.glob("*.jsa"):
            older.unlink()
        for unfinished in target.parent.glob("tmp*"):  # of a making that was ended
            shutil.rmtree(unfinished)
        class_archive.write(target, "tests.jvm")


def _exercise(folder: Path) -> None:
    """What jobs and their tests ask of Spark."""
    import pandas as pd
    from pyspark.sql.functions import pandas_udf, struct

    def answered(content: pd.Series, more: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"label": ["red"] * len(content), "score": [0.5] * len(content)})

    with class_archive.session(folder) as spark:
        class_archive.use(spark, folder)
        # Only where there is a session does PySpark read a type that is spelt out.
        answer = pandas_udf(answered, "struct<label string, score double>")  # type: ignore[call-overload]
        photos = spark.read.format("binaryFile").option("pathGlobFilter", "*.jpg").load(str(folder))
        scored = photos.withColumn("p", answer("content", struct("path", "length"))).repartition(2)
        scored.groupBy("p.label").count().collect()
        _name_what_only_clusters_load(spark)


def _name_what_only_clusters_load(spark: Any) -> None:
    classes = (
        "deploy.master.Master",
        "deploy.worker.Worker",
        "deploy.worker.ExecutorRunner",
        "deploy.client.StandaloneAppClient",
        "executor.CoarseGrainedExecutorBackend",
        "scheduler.cluster.StandaloneSchedulerBackend",
    )
    for name in classes:
        spark._jvm.java.lang.Class.forName(f"org.apache.spark.{name}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _exercise(Path(sys.argv[1]))
    else:
        make_archive(archive())
