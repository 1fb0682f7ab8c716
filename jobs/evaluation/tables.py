"""The evaluation of a version that takes columns, on a table with a column that says what is right."""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pyfunc_models import Status
from registry import Evidence, Registry, Use

from ..errors import InputError, JobFailed
from ..scoring import columns, served, sources, udf
from ..scoring.options import ScoreOptions
from ..scoring.recording import recorded
from ..scoring.report import ScoreReport
from ..scoring.sources import IMAGES
from ..spark.faults import ANEW, explained
from ..spark.progress import progress
from . import answers, labelled
from .report import ROWS, EvaluationReport
from .table_job import TableJob, checked, digest_of, fields_of

_TRUTH, _LINE = "_stagewright_truth", "_stagewright_line"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateTableJob(TableJob):
    """Which version on which rows; `label_column` says what is right."""

    model: str
    label_column: str


def from_options(uri: str, given: Mapping[str, Any]) -> EvaluateTableJob:
    """The options of `stagewright evaluate`, by their names. Raises InputError on what does not go with a table."""
    if given["private_key"]:
        raise InputError(
            "Figures of a version that stagewright did not package cannot be signed: nothing says which files they are "
            "of. Leave out --private-key."
        )
    if given["images"] or given["labels"]:
        raise InputError(
            "--input names a table of rows, --images and --labels are of photos: give one or the other."
        )
    if not given["label_column"]:
        raise InputError("Which column says what is right? Give --label-column NAME.")
    if given["input_format"] == IMAGES:
        raise InputError(
            f"What is {given['input_path']!r}? Say it by --input-format, such as parquet, csv or table."
        )
    return EvaluateTableJob(model=uri, label_column=given["label_column"], **fields_of(given))


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known before Spark starts: the version, its output that is held against the truth, the set's name."""

    scored: udf.Subject
    answer: str
    dataset: str

    @property
    def models(self) -> tuple[Path, ...]:
        """The directories that workers will load."""
        return self.scored.models


def check(registry: Registry, job: EvaluateTableJob) -> Subject:
    """Resolve the version, and fetch it if it may be used. Raises InputError or registry.RegistryError."""
    dataset = labelled.dataset_name(job.dataset, job.source.path)
    served.check_source(job.source)
    version = registry.resolve(job.model)
    if version.manifest_digest is not None:
        raise InputError(f"{version.pinned_uri} takes photos: evaluate it with --images DIR --labels CSV.")
    scored, names = checked(registry, version, job)
    if job.answer is not None and job.answer not in names:
        raise InputError(f"{version.pinned_uri} has no output {job.answer!r}; it has {names}.")
    if job.answer is None and len(names) > 1:
        raise InputError(
            f"{version.pinned_uri} has the outputs {names}: say which one counts by --answer NAME."
        )
    return Subject(scored, job.answer or names[0], dataset)


def evaluate(
    spark: SparkSession,
    registry: Registry,
    job: EvaluateTableJob,
    say: Callable[[str], None],
    subject: Subject | None = None,
) -> EvaluationReport:
    """Score the rows that have a label; keep the figures as an MLflow run, and as tags of the version.

    As `evaluating.evaluate`: a row without an answer is wrong, and with too many of them the version gets no tags.
    """
    subject = subject or check(registry, job)
    version = subject.scored.version
    say(f"{job.model} is {version.pinned_uri}")
    rows, unlabelled = _labelled(sources.read(spark, job.source), job, subject)
    name = f"evaluate {version.name} {version.number} on {subject.dataset}"
    said = {
        "requested": job.model,
        "input": job.source.path,
        "labels": job.label_column,
        "dataset": subject.dataset,
    }
    with recorded(registry, version, name, said, job.experiment) as run:
        found, seconds = _scored(rows, subject, replace(job.options, run_id=run.run_id), say)
        done = replace(_report(found, seconds, job, subject, run.run_id), unlabelled=unlabelled)
        run.outcome = done.outcome()
        _keep(registry, found, run.run_id)
        done.scored.check_budget(job.max_error_rate)
        registry.set_version_tags(version, done.evidence.as_tags())
    return done


def _labelled(frame: DataFrame, job: EvaluateTableJob, subject: Subject) -> tuple[DataFrame, int]:
    """The rows that have a label, with what each adds to the data set's digest; and how many have none."""
    truth = columns.find(frame, job.label_column)
    if truth is None:
        raise InputError(
            f"There is no column {job.label_column!r}; there are {sorted(frame.columns)}. Name it with --label-column."
        )
    options = replace(job.options, keep=())
    udf.check_columns(frame, subject.scored, options)
    inputs = udf.given(frame, subject.scored, options)
    rows = frame.withColumns(
        {_TRUTH: truth.column, _LINE: digest_of(F.struct(inputs, truth.column.alias("label")))}
    )
    counted = rows.agg(F.count(F.lit(1)), F.count(_TRUTH)).first()
    assert counted is not None
    if not counted[1]:
        raise InputError(f"None of the {counted[0]:,} rows has a label in {job.label_column!r}.")
    return rows.where(F.col(_TRUTH).isNotNull()), counted[0] - counted[1]


def _scored(
    rows: DataFrame, subject: Subject, options: ScoreOptions, say: Callable[[str], None]
) -> tuple[pd.DataFrame, float]:
    kept = replace(options, keep=(_TRUTH, _LINE), use=Use.EVALUATION)
    answer = F.col("prediction")[subject.answer]
    told = F.col(_TRUTH).alias("truth"), answer.alias("answer"), F.col("status"), F.col("error")
    asked = udf.predictions(rows, subject.scored, kept).select(*told, F.col(_LINE).alias("line"))
    started = time.monotonic()
    with explained(ANEW), progress(rows.sparkSession, say):
        found = asked.collect()
    # As Spark has them: pandas would make floats of whole numbers, where one answer is missing.
    table = pd.DataFrame([row.asDict() for row in found], dtype=object)
    return table, time.monotonic() - started


def _report(
    rows: pd.DataFrame, seconds: float, job: EvaluateTableJob, subject: Subject, run_id: str
) -> EvaluationReport:
    """Raises JobFailed where nothing was answered."""
    statuses = {str(status): int(count) for status, count in rows["status"].value_counts().items()}
    if Status.OK.value not in statuses:
        first = rows["error"].iloc[0]
        raise JobFailed(f"None of the {len(rows):,} rows could be scored: {statuses}. The first: {first}.")
    version = subject.scored.version
    scored = ScoreReport(
        model_name=version.name,
        model_version=version.number,
        model_digest=version.model_digest or "",
        requested=job.model,
        scoring_run_id=run_id,
        input=job.source.path,
        output=f"runs:/{run_id}/{ROWS}",
        rows=len(rows),
        by_status=statuses,
        seconds=round(seconds, 3),
    )
    found = answers.found(rows)
    evidence = Evidence(
        dataset=subject.dataset,
        dataset_digest=labelled.dataset_digest(sorted(rows["line"])),
        precision="f32",
        run_id=run_id,
        at=datetime.now(UTC),
        metrics={**found.figures, "rows_per_second": scored.images_per_second},
    )
    return EvaluationReport(scored, evidence, classes=found.classes, worst_class=found.worst)


def _keep(registry: Registry, rows: pd.DataFrame, run_id: str) -> None:
    with tempfile.TemporaryDirectory(prefix="stagewright-evaluation-") as scratch:
        rows.drop(columns="line").to_csv(Path(scratch, ROWS), index=False)
        registry.log_files(run_id, Path(scratch))
