"""The Spark session of the contenders that are not stagewright, which brings its own settings."""

from pyspark.sql import DataFrame, SparkSession

from ..workload import Workload

TUNED = {
    # As it comes, Spark packs some 31 photos into a task, and each task loads the model again.
    "spark.sql.files.openCostInBytes": "65536",
    "spark.log.level": "ERROR",
    "spark.ui.showConsoleProgress": "false",
}


def open_session(workload: Workload) -> SparkSession:
    """One single-threaded Python worker for each core: Spark sets OMP_NUM_THREADS to 1 by itself."""
    builder = SparkSession.builder.master(f"local[{workload.cores}]").appName("benchmark")
    return builder.config(map={**TUNED, **workload.conf}).getOrCreate()


def read(spark: SparkSession, workload: Workload) -> DataFrame:
    """`path` and `content` of every photo."""
    return spark.read.format("binaryFile").load(workload.photos).select("path", "content")
