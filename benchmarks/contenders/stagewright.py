"""stagewright's job as `stagewright score` runs it: by the stage's name, with its own settings, nothing tuned."""

from jobs import ScoreJob, ScoreOptions, Sink, Source, open_session
from jobs.scoring import batch
from registry import Registry

from ..workload import URI, Workload


def run(workload: Workload) -> None:
    """Score and write."""
    spark = open_session(master=f"local[{workload.cores}]", conf=workload.conf)
    options = ScoreOptions(**workload.asked)
    job = ScoreJob(URI, Source(workload.photos, workload.format), Sink(workload.output), options)
    batch.run(spark, Registry(workload.registry), job, say=lambda line: None)
    spark.stop()
