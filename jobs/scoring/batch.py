"""The scoring job: source -> predictions -> sink, recorded as an MLflow run."""

from collections.abc import Callable
from dataclasses import replace

from pyspark.sql import SparkSession

from registry import ModelVersion, Registry, Use

from ..spark import connect
from . import addressed, following, foreign, one_go, outputs, resumable, served
from .job import DEFAULT_MAX_ERROR_RATE, ScoreJob, from_options, options_of
from .options import ScoreOptions
from .place import begun
from .report import ScoreReport
from .udf import Subject, checked


def check(registry: Registry, job: ScoreJob) -> Subject:
    """What is meant, the version that the output was begun with before all, fetched if it may be used.

    Raises registry.RegistryError or InputError; needs no Spark.
    """
    addressed.check(job.options, job.source)
    served.check(job)
    version, options = _meant(registry, job)
    if version.manifest_digest is None:
        registry.check(version, options.use, options.allow_foreign)
        foreign.check_source(version, job.source)
    return checked(registry, version, options)


def _meant(registry: Registry, job: ScoreJob) -> tuple[ModelVersion, ScoreOptions]:
    """The version that a job is for, and its options with what it is wanted for."""
    store = outputs.store_of(job)
    if store is None:
        return registry.resolve(job.model), job.options
    if followed := following.is_needed(registry, job, store):
        return followed, job.options
    found = begun.meaning(registry, store, job.model, resumable.now(job))
    use = Use.SCORING if found.record is None else Use.RESUMPTION
    return found.version, replace(job.options, use=use)


def run(
    spark: SparkSession,
    registry: Registry,
    job: ScoreJob,
    say: Callable[[str], None],
    subject: Subject | None = None,
) -> ScoreReport:
    """Score what is not scored yet, write it, and tell the registry; `say` gets progress, a line at a time.

    `subject` is what `check` gave, where that was asked already. Raises ErrorBudgetExceeded where more than
    `max_error_rate` of the rows have no prediction, as soon as that is sure; InputError on input that does not fit,
    before a photo is read; OutputBusy where another command works on the output. The MLflow run then says FAILED, what
    was written stays, and the same job run again goes on.
    """
    subject = subject or check(registry, job)
    say(f"{job.model} is {subject.version.pinned_uri}")
    store = outputs.store_of(job)
    if job.sink.is_sparks or connect.is_one(spark):
        say("Spark's own writer writes all of it in one go; a job that is stopped begins again.")
    if store is None or not outputs.is_ours(spark, job, store):
        return one_go.run(spark, registry, job, subject, say)
    if following.is_needed(registry, job, store):
        return following.run(spark, registry, job, subject, say)
    if job.follow:
        following.tidy(store)
    return resumable.run(spark, registry, job, subject, store, say)


__all__ = ["DEFAULT_MAX_ERROR_RATE", "ScoreJob", "check", "from_options", "options_of", "run"]
