"""The scoring job: source -> predictions -> sink, recorded as an MLflow run."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from registry import ModelVersion, Outcome, Registry, RunStatus

from . import report, sinks, sources
from .errors import ErrorBudgetExceeded, JobFailed
from .report import ScoreReport
from .scoring import ScoreOptions, check_choices, score, takes_paths
from .sinks import Sink
from .sources import Source

EXPERIMENT = "stagewright-jobs"
DEFAULT_MAX_ERROR_RATE = 0.01
# `package.module.SomeError: what it says`, the last line of a Python traceback.
_RAISED = re.compile(r"^[\w.]+(Error|Exception|Unavailable)\b.*: ")


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """What to score with what, and where the predictions go. `max_error_rate`: see `run`."""

    model: str
    source: Source
    sink: Sink
    options: ScoreOptions = field(default_factory=ScoreOptions)
    max_error_rate: float = DEFAULT_MAX_ERROR_RATE


def from_options(uri: str, given: Mapping[str, Any]) -> ScoreJob:
    """The options of `stagewright score`, by their names."""
    options = ScoreOptions(
        content_column=given["content_column"],
        keep=given["keep"] or ScoreOptions().keep,
        precision=given["precision"],
        transform=given["transform"],
        decode=given["decode"],
        batch_size=given["batch_size"],
        top_k=given["top_k"],
    )
    return ScoreJob(
        model=uri,
        source=Source(given["input_path"], given["input_format"]),
        sink=Sink(given["output_path"], given["output_format"]),
        options=options,
        max_error_rate=given["max_error_rate"],
    )


def check(registry: Registry, job: ScoreJob) -> None:
    """What a registry can say of a job before Spark starts. Raises registry.RegistryError or InputError."""
    version = registry.resolve(job.model)
    registry.check(version, job.options.use)
    check_choices(version, job.options)


def run(spark: SparkSession, registry: Registry, job: ScoreJob, say: Callable[[str], None]) -> ScoreReport:
    """Score and write everything, and tell the registry; `say` gets progress, a line at a time.

    Raises ErrorBudgetExceeded, after everything is written, where more than `max_error_rate` of the rows have
    no prediction; InputError on input that does not fit, before a photo is read. The MLflow run then says FAILED.
    """
    version = registry.resolve(job.model)
    registry.check(version, job.options.use)
    say(f"{job.model} is {version.pinned_uri}")
    images = sources.read(spark, job.source)
    sinks.check(spark, job.sink)
    run_id = registry.start_run(EXPERIMENT, f"score {version.name} {version.number}", _tags(job), version)
    try:
        finished = _score(images, registry, _with_run(job, run_id), version, say)
        finished.check_budget(job.max_error_rate)
    except ErrorBudgetExceeded as error:
        registry.finish_run(run_id, _outcome(error.report, RunStatus.FAILED))
        raise
    except BaseException:  # an interrupted job is a failed one too
        registry.finish_run(run_id, Outcome(RunStatus.FAILED))
        raise
    registry.finish_run(run_id, _outcome(finished, RunStatus.FINISHED))
    return finished


def _score(
    images: DataFrame, registry: Registry, job: ScoreJob, version: ModelVersion, say: Callable[[str], None]
) -> ScoreReport:
    images, options = _leave_reading_to_workers(images, registry, job, version)
    predictions = score(images, version, registry=registry, options=options)
    counted, observation = report.observed(predictions)
    started = time.monotonic()
    try:
        with report.progress(images.sparkSession, say):
            sinks.write(counted, job.sink)
    except (PySparkException, Py4JError) as error:
        raise JobFailed(explain(error)) from error
    seconds = time.monotonic() - started
    rows, by_status = report.by_status(observation)
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


def _leave_reading_to_workers(
    images: DataFrame, registry: Registry, job: ScoreJob, version: ModelVersion
) -> tuple[DataFrame, ScoreOptions]:
    """What to score and how: paths in place of bytes, wherever that gives the same rows."""
    options = job.options
    paths = sources.by_path(images, job.source)
    own_content = options.content_column != "content" or "content" in options.keep
    if paths is None or own_content or options.content_as or not takes_paths(registry, version):
        return images, options
    return paths, replace(options, content_as="path")


def _with_run(job: ScoreJob, run_id: str) -> ScoreJob:
    return replace(job, options=replace(job.options, run_id=run_id))


def _tags(job: ScoreJob) -> dict[str, str]:
    return {"requested": job.model, "input": job.source.path, "output": job.sink.path}


def _outcome(finished: ScoreReport, status: RunStatus) -> Outcome:
    metrics = {
        "rows": float(finished.rows),
        "images_per_second": finished.images_per_second,
        "error_rate": finished.error_rate,
        "seconds": finished.seconds,
        **{f"status_{name}": float(count) for name, count in finished.by_status.items()},
    }
    return Outcome(status, metrics=metrics)


def explain(error: Exception) -> str:
    """What a failed Spark job comes down to: the last line of the worker's traceback, or Spark's first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    raised = [line for line in lines if _RAISED.match(line)]
    reason = raised[-1] if raised else next(iter(lines), type(error).__name__)
    return (
        f"The Spark job failed: {reason} What was written so far is not a result; Spark's log has all of it."
    )
