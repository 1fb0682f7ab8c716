"""A scoring job that Spark's own writer does: where the input cannot be cut, or the output is Spark's alone."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from registry import JobKind, Registry
from registry.tags import RUN_JOB

from ..errors import InputError
from ..spark.faults import ANEW, explained
from ..spark.progress import progress
from . import report, sinks, sources
from .job import ScoreJob
from .place import swapping
from .place.completion import Finished, finished_name
from .place.stores import PRIVATE, Folder, Store
from .recording import recorded, unrecorded
from .report import ScoreReport, outcome
from .sinks import Sink
from .udf import Subject, predictions, takes_paths

Say = Callable[[str], None]
_ALGORITHM = "mapreduce.fileoutputcommitter.algorithm.version"


def run(
    spark: SparkSession,
    registry: Registry,
    job: ScoreJob,
    subject: Subject,
    say: Say,
    into: Sink | None = None,
) -> ScoreReport:
    """As `batch.run`, all at once; `into`: where it is written, by default the job's own sink."""
    if job.quarantine:
        raise InputError(
            "--quarantine goes with Parquet and Delta outputs of photos, files and tables of files, not with what is "
            "scored in one go. Take the rows whose `status` is not 'ok' from the output instead."
        )
    _check_committer(spark)
    version = subject.version
    reading = sources.read_for(spark, job.source, job.options, takes_paths(subject.model), say)
    into = into or job.sink
    sinks.check(spark, into)
    name = f"score {version.name} {version.number}"
    said = {"requested": job.model, "input": job.source.path, "output": job.sink.path}
    said[RUN_JOB] = JobKind.SCORING
    made = recorded(registry, version, name, said, job.experiment) if job.record else unrecorded()
    with made as run:
        job = replace(job, options=replace(reading.options, run_id=run.run_id))
        finished = replace(_score(reading.rows, job, subject, into, say), left_out=reading.left_out)
        run.outcome = outcome(finished)
        finished.check_budget(job.max_error_rate)
    return finished


def _check_committer(spark: SparkSession) -> None:
    """Raises InputError where tasks of Spark's writer would show what they have written before the job is done."""
    for name in (f"spark.hadoop.{_ALGORITHM}", _ALGORITHM):
        if spark.conf.get(name, None) == "2":
            raise InputError(
                f"With {name}=2 readers see what tasks have written before the job is done, and a task that is tried "
                "again may leave its rows twice. Leave it at 1."
            )


def run_at(
    spark: SparkSession, registry: Registry, job: ScoreJob, subject: Subject, store: Store, say: Say
) -> ScoreReport:
    """The same, beside a folder, where nobody looks; `show` puts it in place. Raises InputError on an object store."""
    if not isinstance(store, Folder):
        raise InputError(
            f"{job.source.path!r} cannot be cut into chunks that stay the same, and an object store cannot show many "
            "files at once. Write the input to files first, or name an output in a file system."
        )
    say(
        f"{job.source.path!r} cannot be cut into chunks that stay the same, as files can: it is scored in one go, and "
        "when that is stopped it begins again."
    )
    shutil.rmtree(_beside(store), ignore_errors=True)
    try:
        return run(spark, registry, job, subject, say, into=replace(job.sink, path=str(_beside(store))))
    except BaseException:
        shutil.rmtree(_beside(store), ignore_errors=True)
        raise


def show(store: Store, done: ScoreReport) -> None:
    """What `run_at` has written is at `store` now, all of it at once, and known to be finished."""
    beside, place = _beside(store), Path(store.root)
    shutil.copytree(place / PRIVATE, beside / PRIVATE)
    finished = Finished(1, done.rows, done.by_status, run_id=done.scoring_run_id)
    (beside / finished_name(1)).write_text(json.dumps(asdict(finished)))
    swapping.put_in_place(beside, place)
    shutil.rmtree(beside)


def _beside(store: Store) -> Path:
    place = Path(store.root)
    return place.with_name(f".{place.name}.unfinished")


def _score(images: DataFrame, job: ScoreJob, subject: Subject, into: Sink, say: Say) -> ScoreReport:
    counted, observation = report.observed(predictions(images, subject, job.options))
    started = time.monotonic()
    with explained(ANEW), progress(images.sparkSession, say):
        sinks.write(counted, into)
    seconds = time.monotonic() - started
    rows, by_status = report.by_status(observation)
    version = subject.version
    return ScoreReport(
        model_name=version.name,
        model_version=version.number,
        model_digest=version.model_digest or "",
        requested=job.model,
        scoring_run_id=str(job.options.run_id),
        input=job.source.path,
        output=job.sink.path,
        rows=rows,
        by_status=by_status,
        seconds=round(seconds, 3),
        recorded=job.record,
    )
