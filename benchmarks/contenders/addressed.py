"""stagewright's job over a table of addresses, which its workers fetch."""

from jobs import ScoreJob, ScoreOptions, Sink, Source, open_session
from jobs.scoring import batch
from registry import Registry

from ..workload import URI, Workload


def run(workload: Workload) -> None:
    """Score and write; `photos` is a table with a column `path` of addresses."""
    spark = open_session(master=f"local[{workload.cores}]", conf=workload.conf)
    options = ScoreOptions(path_column="path", **workload.asked)
    job = ScoreJob(URI, Source(workload.photos, workload.format), Sink(workload.output), options)
    batch.run(spark, Registry(workload.registry), job, say=lambda line: None)
    spark.stop()
