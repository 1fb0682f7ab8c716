"""The comparison of two versions on the same photos, each decoded once, in one Spark job."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pyfunc_models import Status
from pyfunc_models.pairs.packing import share_decoder
from registry import Comparison, JobKind, ModelVersion, Registry, Signer, Use
from registry.gates.evidence import comparisons_of
from registry.gates.signed_figures import comparison_tags
from registry.tags import RUN_JOB

from ..errors import InputError, JobFailed
from ..evaluation import labelled
from ..evaluation.labelled import TRUTH, Labels
from ..scoring import batch, columns, served, sinks, sources
from ..scoring import udf as scoring
from ..scoring.options import ScoreOptions
from ..scoring.recording import recorded
from ..scoring.report import ScoreReport
from ..scoring.sinks import Sink
from ..scoring.sources import Source
from ..spark.faults import ANEW, explained
from ..spark.progress import progress
from . import figures, reported, udf
from .figures import CLASS, RUN
from .report import ComparisonReport

DIGEST = "photo_digest"
TAKEN = ("a", "b", "agree", CLASS, DIGEST, RUN)


@dataclass(frozen=True, slots=True)
class CompareJob:
    """Version `a` is held against its challenger `b`, on the photos of `source`; the table goes to `output`.

    With `labels`, a CSV as `EvaluateJob` takes it, `source` is a folder and only the photos that it names are
    compared. Of `options`, `content_column`, `keep`, `precision` (of both) and `batch_size` are heeded. The figures are
    signed by `signer`.
    """

    a: str
    b: str
    source: Source
    output: str
    labels: str | None = None
    dataset: str | None = None
    options: ScoreOptions = field(default_factory=ScoreOptions)
    max_error_rate: float = batch.DEFAULT_MAX_ERROR_RATE
    experiment: str | None = None
    signer: Signer | None = field(default_factory=Signer.configured)


def from_options(a: str, b: str, given: Mapping[str, Any]) -> CompareJob:
    """The options of `stagewright compare`, by their names."""
    return CompareJob(
        a=a,
        b=b,
        source=Source(given["input_path"], given["input_format"], given["follow_links"]),
        output=given["output_path"],
        labels=given["labels"],
        dataset=given["dataset"],
        options=batch.options_of(given),
        max_error_rate=given["max_error_rate"],
        experiment=given["experiment"],
        signer=given["signer"],
    )


@dataclass(frozen=True, slots=True)
class Contest:
    """What is known before Spark starts: both versions and their directories, their classes, labels of photos."""

    a: ModelVersion
    b: ModelVersion
    models: tuple[Path, Path]
    names: list[str]
    labels: Labels | None
    dataset: str


def check(registry: Registry, job: CompareJob) -> Contest:
    """Resolve both versions, read the CSV. Raises InputError or registry.RegistryError; needs no Spark."""
    dataset = labelled.dataset_name(job.dataset, job.source.path)
    served.check_source(job.source)
    served.check_path("The output", job.output)
    a, b = (registry.resolve(uri) for uri in (job.a, job.b))
    for version in (a, b):
        labelled.check_classifier(version)
    options = replace(job.options, use=Use.EVALUATION)
    models = (scoring.checked(registry, a, options).model, scoring.checked(registry, b, options).model)
    names = _common_labels((a, b), models)
    labels = Labels.read(job.labels, len(names)) if job.labels else None
    return Contest(a, b, models, names, labels, dataset)


def _common_labels(versions: tuple[ModelVersion, ModelVersion], models: tuple[Path, Path]) -> list[str]:
    ours, theirs = (labelled.class_names(model) for model in models)
    if ours == theirs:
        return ours
    a, b = (version.pinned_uri for version in versions)
    if len(ours) != len(theirs):
        raise InputError(f"{a} has {len(ours)} classes and {b} {len(theirs)}; only the same can be compared.")
    index = next(i for i in range(len(ours)) if ours[i] != theirs[i])
    raise InputError(
        f"Class {index} is {ours[index]!r} in {a} and {theirs[index]!r} in {b}; only versions with the same labels in "
        "the same order can be compared. Register one of them again with the other's --labels."
    )


def compare(
    spark: SparkSession,
    registry: Registry,
    job: CompareJob,
    say: Callable[[str], None],
    contest: Contest | None = None,
) -> ComparisonReport:
    """Ask both versions, write both answers, keep the figures as an MLflow run of `b`.

    `contest` is what `check` gave, where that was asked already. Where both are versions of one model, `b` gets the
    figures as tags too, for gates. Raises ErrorBudgetExceeded, after everything is written, where either has no answer
    for more than `max_error_rate` of the photos: the run then says FAILED, and there are no tags. Raises InputError on
    what does not fit, before a photo is read.
    """
    contest = contest or check(registry, job)
    a, b = contest.a, contest.b
    say(f"a: {job.a} is {a.pinned_uri}; b: {job.b} is {b.pinned_uri}")
    reading = _images(spark, job, contest, say)
    sinks.check(spark, Sink(job.output))
    said = {"requested": job.b, "against": a.pinned_uri, "input": job.source.path, "output": job.output}
    said[RUN_JOB] = JobKind.COMPARISON
    name = f"compare {b.name} {b.number} with {a.name} {a.number}"
    with recorded(registry, b, name, said, job.experiment) as run:
        job = replace(job, options=replace(reading.options, run_id=run.run_id))
        seconds = _write(reading.rows, job, contest, say)
        done = _report(spark.read.parquet(job.output), job, contest, run.run_id, seconds)
        a_side, b_side = (replace(side, left_out=reading.left_out) for side in (done.a, done.b))
        done = replace(done, a=a_side, b=b_side)
        run.outcome = done.outcome()
        reported.keep(registry, registry.run(run.run_id).once_said(run.outcome), job.source, say)
        for side in (done.a, done.b):
            side.check_budget(job.max_error_rate)
        if a.name == b.name:
            registry.set_version_tags(b, _evidence_tags(_evidence(done, contest), contest, job.signer))
    return done


def _images(
    spark: SparkSession, job: CompareJob, contest: Contest, say: Callable[[str], None]
) -> sources.Reading:
    """The photos to compare, with the line that each adds to the data set's digest, and the class if it has one."""
    reading = sources.read_for(spark, job.source, job.options, takes_paths=True, say=say)
    options = reading.options
    columns.check(reading.rows, options, TAKEN)
    if columns.are_fetched(reading.rows, options):
        raise InputError(
            f"`compare` takes photos' bytes and follows no addresses: --content-column {options.content_column}.bytes."
        )
    named = labelled.with_names(reading.rows, job.source, options.keep[0])
    named = labelled.with_digests(named, options)
    if contest.labels is None:
        named = named.withColumn(TRUTH, F.lit(None).cast("long"))
    else:
        labelled.check_folder(spark, job.source)
        named, _ = labelled.labelled(named, contest.labels, job.source.path)
    rows = named.withColumn(DIGEST, labelled.digest_line()).withColumnRenamed(TRUTH, CLASS)
    return replace(reading, rows=rows)


def _write(images: DataFrame, job: CompareJob, contest: Contest, say: Callable[[str], None]) -> float:
    """Ask both and write the table; gives the seconds that it took."""
    options = replace(job.options, keep=(*job.options.keep, CLASS, DIGEST))
    asked = udf.ask(images, contest.models, options).withColumn(RUN, F.lit(options.run_id))
    kept = map(columns.quoted, job.options.keep)
    started = time.monotonic()
    with explained(ANEW), progress(images.sparkSession, say):
        sinks.write(asked.select(*kept, "a", "b", "agree", CLASS, DIGEST, RUN), Sink(job.output))
    return time.monotonic() - started


def _report(
    written: DataFrame, job: CompareJob, contest: Contest, run_id: str, seconds: float
) -> ComparisonReport:
    totals = figures.totals(written)
    if not totals["decided"]:
        raise JobFailed(f"Neither version could answer for any of the {totals['photos']:,} photos.")
    sides = [
        ScoreReport(
            model_name=version.name,
            model_version=version.number,
            model_digest=version.model_digest or "",
            requested=requested,
            scoring_run_id=run_id,
            input=job.source.path,
            output=job.output,
            rows=totals["photos"],
            by_status={s.value: n for s in Status if (n := totals[f"{name}_{s.value}"])},
            seconds=round(seconds, 3),
        )
        for name, version, requested in (("a", contest.a, job.a), ("b", contest.b, job.b))
    ]
    key = labelled.name_of(written.sparkSession, job.source, job.options.keep[0])
    lines = (row[0] for row in written.select(DIGEST).orderBy(DIGEST).toLocalIterator())
    return ComparisonReport(
        a=sides[0],
        b=sides[1],
        dataset=contest.dataset,
        dataset_digest=labelled.dataset_digest(lines),
        decoded_once=share_decoder(contest.models),
        metrics=figures.figures(totals, contest.labels is not None),
        disagreements=figures.disagreements(written, key, contest.names),
    )


def _evidence_tags(found: Comparison, contest: Contest, signer: Signer | None) -> dict[str, str]:
    """The figures, and after them what signs them."""
    said = found.as_tags()
    return said | comparison_tags(contest.b, found, contest.a, signer) if signer else said


def _evidence(done: ComparisonReport, contest: Contest) -> Comparison:
    """What `b` keeps. A figure of an earlier comparison that this one lacks is no number from now on."""
    against = (contest.a.number, contest.dataset)
    before = [one.metrics for one in comparisons_of(contest.b) if (one.against, one.dataset) == against]
    stale = {name: math.nan for metrics in before for name in metrics}
    return Comparison(
        against=contest.a.number,
        dataset=contest.dataset,
        dataset_digest=done.dataset_digest,
        run_id=done.b.scoring_run_id,
        at=datetime.now(UTC),
        metrics={**stale, **done.metrics},
    )
