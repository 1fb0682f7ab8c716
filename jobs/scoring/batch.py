"""The scoring job: source -> predictions -> sink, recorded as an MLflow run."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from registry import Outcome, Registry

from ..spark.faults import explained
from ..spark.progress import progress
from . import report, sinks, sources
from .options import ScoreOptions
from .recording import recorded
from .report import ScoreReport
from .sinks import Sink
from .sources import Source
from .udf import Subject, checked, predictions, takes_paths

DEFAULT_MAX_ERROR_RATE = 0.01


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """What to score with what, and where the predictions go. `max_error_rate`: see `run`.

    `experiment`: where the run goes; by default MLFLOW_EXPERIMENT_NAME, else `stagewright-jobs`.
    """

    model: str
    source: Source
    sink: Sink
    options: ScoreOptions = field(default_factory=ScoreOptions)
    max_error_rate: float = DEFAULT_MAX_ERROR_RATE
    experiment: str | None = None


def from_options(uri: str, given: Mapping[str, Any]) -> ScoreJob:
    """The options of `stagewright score`, by their names."""
    return ScoreJob(
        model=uri,
        source=Source(given["input_path"], given["input_format"], given["follow_links"]),
        sink=Sink(given["output_path"], given["output_format"]),
        options=options_of(given),
        max_error_rate=given["max_error_rate"],
        experiment=given["experiment"],
    )


def options_of(given: Mapping[str, Any]) -> ScoreOptions:
    """What jobs of all kinds may choose, as far as `given` has it."""
    known = ("content_column", "precision", "decode", "batch_size", "top_k", "max_pixels", "photo_timeout_s")
    said = {name: given[name] for name in known if given.get(name) is not None}
    return ScoreOptions(**said, keep=given.get("keep") or ScoreOptions().keep)


def check(registry: Registry, job: ScoreJob) -> Subject:
    """Resolve, and fetch what may be used. Raises registry.RegistryError or InputError; needs no Spark."""
    return checked(registry, registry.resolve(job.model), job.options)


def run(
    spark: SparkSession,
    registry: Registry,
    job: ScoreJob,
    say: Callable[[str], None],
    subject: Subject | None = None,
) -> ScoreReport:
    """Score and write everything, and tell the registry; `say` gets progress, a line at a time.

    `subject` is what `check` gave, where that was asked already. Raises ErrorBudgetExceeded, after everything is
    written, where more than `max_error_rate` of the rows have no prediction; InputError on input that does not fit,
    before a photo is read. The MLflow run then says FAILED.
    """
    subject = subject or check(registry, job)
    version = subject.version
    say(f"{job.model} is {version.pinned_uri}")
    reading = sources.read_for(spark, job.source, job.options, takes_paths(subject.model), say)
    sinks.check(spark, job.sink)
    name = f"score {version.name} {version.number}"
    said = {"requested": job.model, "input": job.source.path, "output": job.sink.path}
    with recorded(registry, version, name, said, job.experiment) as run:
        job = replace(job, options=replace(reading.options, run_id=run.run_id))
        finished = replace(_score(reading.rows, job, subject, say), left_out=reading.left_out)
        run.outcome = _outcome(finished)
        finished.check_budget(job.max_error_rate)
    return finished


def _score(images: DataFrame, job: ScoreJob, subject: Subject, say: Callable[[str], None]) -> ScoreReport:
    counted, observation = report.observed(predictions(images, subject, job.options))
    started = time.monotonic()
    with explained(), progress(images.sparkSession, say):
        sinks.write(counted, job.sink)
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
    )


def _outcome(finished: ScoreReport) -> Outcome:
    metrics = {
        "rows": float(finished.rows),
        "images_per_second": finished.images_per_second,
        "error_rate": finished.error_rate,
        "seconds": finished.seconds,
        **{f"status_{name}": float(count) for name, count in finished.by_status.items()},
    }
    return Outcome(metrics=metrics)
