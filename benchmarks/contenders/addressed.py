"""stagewright's job over a folder, or over a table of addresses which its workers fetch; says how fast it was."""

import json
from pathlib import Path

from jobs import ScoreJob, ScoreOptions, Sink, Source, open_session
from jobs.scoring import batch
from registry import Registry

from ..workload import URI, Workload

REPORT = "report.json"


def run(workload: Workload) -> None:
    """Score, write, and leave the job's own report beside the output; a table's addresses are its column `path`."""
    spark = open_session(master=f"local[{workload.cores}]", conf=workload.conf)
    options = ScoreOptions(path_column=None if workload.format == "images" else "path", **workload.asked)
    job = ScoreJob(URI, Source(workload.photos, workload.format), Sink(workload.output), options)
    report = batch.run(spark, Registry(workload.registry), job, say=lambda line: None)
    Path(workload.output).with_name(REPORT).write_text(json.dumps(report.document()))
    spark.stop()
