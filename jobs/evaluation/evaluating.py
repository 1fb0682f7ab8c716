"""The evaluation of one version on labelled photos: scored as any job scores, kept as a run and as tags."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pyfunc_models import Status
from registry import Evidence, JobKind, ModelVersion, Registry, Signer, Use
from registry.gates.signed_figures import evidence_tags
from registry.tags import RUN_JOB

from ..errors import InputError, JobFailed
from ..scoring import batch, served, sources, udf
from ..scoring.options import ScoreOptions
from ..scoring.recording import recorded
from ..scoring.report import ScoreReport
from ..scoring.sources import IMAGES, Source, tar
from ..spark.faults import ANEW, explained
from ..spark.progress import Known, progress
from . import kept, labelled, of_classifier, of_multilabel
from .labelled import NAME, PHOTO_DIGEST, TRUTH, Labels
from .measure import Measure, Truth
from .report import PHOTOS, EvaluationReport

REFERENCE_PRECISION = "f32"
REFERENCE_DECODE = "full"
# Kind of prediction -> how it is measured; the others are not.
MEASURES = {"classifier": of_classifier.MEASURE, "multilabel": of_multilabel.MEASURE}


@dataclass(frozen=True, slots=True)
class EvaluateJob:
    """Which version on which photos: `images` is a folder, `labels` a CSV with `file` (below it) and `class_index`.

    For a multilabel the CSV has `class_indices`, any number of them with blanks between them.
    `dataset` is what gates call the photos; by default it is the folder's name. Of `options`, what is kept
    and how answers look is the evaluation's own. `max_error_rate`: see `evaluate`; `follow_links` and `input_format`:
    see `Source`. The figures are signed by `signer`.
    """

    model: str
    images: str
    labels: str
    dataset: str | None = None
    options: ScoreOptions = field(default_factory=ScoreOptions)
    max_error_rate: float = batch.DEFAULT_MAX_ERROR_RATE
    experiment: str | None = None
    signer: Signer | None = field(default_factory=Signer.configured)
    follow_links: bool = False
    input_format: str = IMAGES


def from_options(uri: str, given: Mapping[str, Any]) -> EvaluateJob:
    """The options of `stagewright evaluate`, by their names. Raises InputError where photos or labels are missing."""
    for name in ("images", "labels"):
        if not given[name]:
            raise InputError(
                f"Give --{name} (see --help); of a version that stagewright did not package --input TABLE and "
                "--label-column NAME."
            )
    if given["input_format"] not in (IMAGES, tar.FORMAT):
        raise InputError(
            f"Photos to evaluate on are files (--input-format images) or archives (tar), not {given['input_format']!r}."
        )
    return EvaluateJob(
        model=uri,
        images=given["images"],
        labels=given["labels"],
        dataset=given["dataset"],
        options=batch.options_of(given),
        max_error_rate=given["max_error_rate"],
        experiment=given["experiment"],
        signer=given["signer"],
        follow_links=given["follow_links"],
        input_format=given["input_format"],
    )


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known before Spark starts: the version, how it is measured, the photos' classes, the set's name."""

    scored: udf.Subject
    measure: Measure
    truth: Truth
    labels: Labels
    dataset: str

    @property
    def models(self) -> tuple[Path, ...]:
        """The directories that workers will load."""
        return self.scored.models


def check(registry: Registry, job: EvaluateJob) -> Subject:
    """Resolve the version and read the CSV. Raises InputError or registry.RegistryError; needs no Spark."""
    dataset = labelled.dataset_name(job.dataset, job.images)
    served.check_source(_source(job))
    version = registry.resolve(job.model)
    measure = _measure(version)
    scored = udf.checked(registry, version, replace(job.options, use=Use.EVALUATION))
    truth = Truth(labelled.class_names(scored.model), labelled.settings_of(scored.model))
    return Subject(scored, measure, truth, measure.read(job.labels, len(truth.names)), dataset)


def _source(job: EvaluateJob) -> Source:
    return Source(job.images, job.input_format, job.follow_links)


def _measure(version: ModelVersion) -> Measure:
    """Raises InputError on a version of a kind whose answers nobody can call right or wrong here."""
    if version.manifest_digest is None:
        raise InputError(
            f"{version.pinned_uri} was not packaged by stagewright and takes columns: evaluate it with --input TABLE "
            "--input-format FORMAT --label-column NAME --allow-foreign."
        )
    found = MEASURES.get(version.kind or "")
    if found is None:
        raise InputError(
            f"{version.pinned_uri} is of kind {version.kind!r}, and `evaluate` has figures for the kinds "
            f"{' and '.join(MEASURES)} only. What it answers is in the output of `score`."
        )
    return found


def evaluate(
    spark: SparkSession,
    registry: Registry,
    job: EvaluateJob,
    say: Callable[[str], None],
    subject: Subject | None = None,
) -> EvaluationReport:
    """Score the labelled photos; keep the figures as an MLflow run, and as tags of the version.

    `subject` is what `check` gave, where that was asked already. A photo without an answer counts as wrong. Where more
    than `max_error_rate` of them have none it raises ErrorBudgetExceeded: the run, which then says FAILED, has
    everything, the version gets no tags. Raises InputError on labels or photos that do not fit, before a photo is read.
    """
    subject = subject or check(registry, job)
    version = subject.scored.version
    say(f"{job.model} is {version.pinned_uri}")
    takes_paths = udf.takes_paths(subject.scored.model)
    source = _source(job)
    reading = sources.read_for(spark, source, job.options, takes_paths, say)
    images, unlabelled = labelled.read(reading.rows, source, subject.labels, reading.options)
    name = f"evaluate {version.name} {version.number} on {subject.dataset}"
    said = {"requested": job.model, "images": job.images, "labels": job.labels, "dataset": subject.dataset}
    said[RUN_JOB] = JobKind.EVALUATION
    with recorded(registry, version, name, said, job.experiment) as run:
        options = _options(reading.options, subject.measure, run.run_id)
        photos, seconds = _scored(images, subject, options, say)
        done = _report(photos, seconds, job, subject, run.run_id)
        done = replace(done, scored=replace(done.scored, left_out=reading.left_out), unlabelled=unlabelled)
        run.outcome = done.outcome()
        found = registry.run(run.run_id).once_said(run.outcome)
        kept.keep(registry, photos, subject.measure, subject.truth, found, say)
        done.scored.check_budget(job.max_error_rate)
        registry.set_version_tags(version, _evidence_tags(done, subject, job.signer))
    return done


def _options(options: ScoreOptions, measure: Measure, run_id: str) -> ScoreOptions:
    keep = (NAME, TRUTH, PHOTO_DIGEST)
    return replace(options, keep=keep, run_id=run_id, use=Use.EVALUATION, **measure.options)


def _scored(
    images: DataFrame, subject: Subject, options: ScoreOptions, say: Callable[[str], None]
) -> tuple[pd.DataFrame, float]:
    """A row for each photo, by its name, and the seconds that Spark took."""
    columns = [
        F.col(NAME).alias("file"),
        *subject.measure.answers(),
        F.col("status"),
        F.col("error"),
        labelled.digest_line().alias("line"),
    ]
    answers = udf.predictions(images, subject.scored, options).select(*columns)
    total = len(subject.labels.classes)
    started = time.monotonic()
    with explained(ANEW), progress(images.sparkSession, say, lambda: Known(total=total)):
        rows = answers.collect()
    seconds = time.monotonic() - started
    photos = pd.DataFrame([row.asDict() for row in rows])
    return photos.sort_values("file", ignore_index=True), seconds


def _report(
    photos: pd.DataFrame, seconds: float, job: EvaluateJob, subject: Subject, run_id: str
) -> EvaluationReport:
    """Raises JobFailed where no photo at all was scored: there is nothing to say about the version."""
    statuses = {str(status): int(count) for status, count in photos["status"].value_counts().items()}
    if Status.OK.value not in statuses:
        raise JobFailed(
            f"None of the {len(photos):,} photos could be scored: {statuses}. Look at {job.images!r}."
        )
    found = subject.measure.find(photos, subject.truth)
    scored = ScoreReport(
        model_name=subject.scored.version.name,
        model_version=subject.scored.version.number,
        model_digest=subject.scored.version.model_digest or "",
        requested=job.model,
        scoring_run_id=run_id,
        input=job.images,
        output=f"runs:/{run_id}/{PHOTOS}",
        rows=len(photos),
        by_status=statuses,
        seconds=round(seconds, 3),
    )
    figures = {**found.figures, "images_per_second": scored.images_per_second}
    evidence = Evidence(
        dataset=subject.dataset,
        dataset_digest=labelled.dataset_digest(sorted(photos["line"])),
        precision=_choices(job.options),
        run_id=run_id,
        at=datetime.now(UTC),
        metrics=figures,
    )
    return EvaluationReport(scored, evidence, classes=found.classes, worst_class=found.worst)


def _evidence_tags(done: EvaluationReport, subject: Subject, signer: Signer | None) -> dict[str, str]:
    """The figures, and after them what signs them."""
    said = done.evidence.as_tags()
    return said | evidence_tags(subject.scored.version, done.evidence, signer) if signer else said


def _choices(options: ScoreOptions) -> str:
    """The precision; with `-reduced` the figures are not those that a gate asks of the precision alone."""
    precision = options.precision or REFERENCE_PRECISION
    return precision if options.decode in (None, REFERENCE_DECODE) else f"{precision}-{options.decode}"
