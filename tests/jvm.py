"""Spark's JVMs, which tests start by the dozen: what they are told, so that each starts in a third of its time.

A JVM of Spark spends most of its first seconds on reading and verifying classes out of 280 jars. The first run of
the tests in a checkout keeps those classes as the JVM's own kind of archive ("application class-data sharing"),
in the background; from then on each JVM maps that file. Without it, all is as it was, and slower.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Tests end before the second compiler and the parallel collector have earned what their threads cost. What a product's
# own JVM collects garbage with stays its own choice: two collectors in one command line are a mistake.
FEW_COMPILERS = "-XX:TieredStopAtLevel=1"
SERIAL = "-XX:+UseSerialGC"
# An archive that does not fit a JVM is not used, which the JVM would tell on stdout.
SILENT = "-Xlog:cds=off -Xlog:cds+dynamic=off -Xlog:class+path=off"


def spark_home() -> Path:
    """Where the pip package keeps Spark."""
    spec = find_spec("pyspark")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def archive() -> Path:
    """The file of this JDK's and this Spark's classes, which may not be there yet."""
    java = shutil.which(str(Path(os.environ.get("JAVA_HOME", ""), "bin", "java"))) or shutil.which("java")
    jars = [(jar.name, jar.stat().st_mtime_ns) for jar in sorted((spark_home() / "jars").iterdir())]
    known = f"{java and Path(java).resolve()} {java and Path(java).stat().st_mtime_ns} {spark_home()} {jars}"
    digest = hashlib.sha256((known + Path(__file__).read_text()).encode()).hexdigest()
    return ROOT / "build" / "spark-classes" / f"{digest[:16]}.jsa"


def quick() -> str:
    """Options for any JVM of Spark."""
    return f"{FEW_COMPILERS} -XX:SharedArchiveFile={archive()} {SILENT}"


def environment() -> dict[str, str]:
    """The variables by which the JVMs that Spark's own scripts start get these options."""
    return {"SPARK_SUBMIT_OPTS": quick(), "SPARK_LAUNCHER_OPTS": f"{FEW_COMPILERS} {SERIAL}"}


def make_archive(target: Path) -> None:
    """Run a session that does a little of all that tests do, and keep the classes that it loaded."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if target.exists():
            return
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            made = Path(scratch) / "classes.jsa"
            env = {
                **os.environ,
                "PYSPARK_PYTHON": sys.executable,
                "SPARK_LOCAL_IP": "127.0.0.1",
                "SPARK_SUBMIT_OPTS": f"{FEW_COMPILERS} -XX:ArchiveClassesAtExit={made}",
            }
            subprocess.run([sys.executable, "-m", "tests.jvm", scratch], env=env, cwd=ROOT, check=True)
            for older in target.parent.glob("*.jsa"):
                older.unlink()
            made.rename(target)


def _exercise(folder: Path) -> None:
    """What jobs and their tests ask of Spark."""
    import pandas as pd
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import col, pandas_udf, struct

    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.port": "0",
    }
    spark = SparkSession.builder.master("local[2]").config(map=dict(settings)).getOrCreate()

    @pandas_udf("struct<label string, score double>")  # type: ignore[call-overload]
    def answer(content: pd.Series, more: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"label": ["red"] * len(content), "score": [0.5] * len(content)})

    for i in range(4):
        (folder / f"{i}.jpg").write_bytes(bytes(100))
    photos = spark.read.format("binaryFile").option("pathGlobFilter", "*.jpg").load(str(folder))
    scored = photos.withColumn("p", answer("content", struct("path", "length"))).repartition(2)
    scored.write.parquet(str(folder / "scored"))
    found = spark.read.parquet(str(folder / "scored"))
    found.write.json(str(folder / "json"))
    found.groupBy("p.label").count().orderBy(col("count").desc()).collect()
    found.select("path").toPandas()
    found.mapInPandas(lambda batches: batches, found.schema).createOrReplaceTempView("found")
    spark.sql("SELECT path, row_number() OVER (ORDER BY path) FROM found WHERE length > 1").collect()
    spark.createDataFrame([("a", b"b")], "path string, content binary").join(found, "path", "left").count()
    spark.sparkContext.parallelize(range(4), 2).map(str).collect()
    _name_what_only_clusters_load(spark)
    gateway = spark.sparkContext._gateway
    spark.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()


def _name_what_only_clusters_load(spark: "SparkSession") -> None:  # type: ignore[name-defined]  # noqa: F821
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
