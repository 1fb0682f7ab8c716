"""Two versions that take columns, on the same rows of a table, in one Spark job."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pyfunc_models import Status
from registry import Comparison, Registry

from ..errors import InputError, JobFailed
from ..evaluation import labelled
from ..evaluation.table_job import TableJob, checked, digest_of, fields_of
from ..scoring import columns, foreign, served, sinks, sources, udf
from ..scoring.recording import recorded
from ..scoring.sinks import Sink
from ..spark.faults import ANEW, explained
from ..spark.progress import progress
from .table_report import TableComparison

DIGEST, RUN = "row_digest", "comparison_run_id"
TAKEN = ("a", "b", "agree", DIGEST, RUN)
# Floats are one answer where they differ by no more than this share.
SAME = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareTableJob(TableJob):
    """Version `a` is held against its challenger `b` on the rows of a table; what they answered goes to `output`."""

    a: str
    b: str
    output: str


def is_meant(registry: Registry, *uris: str) -> bool:
    """Whether one of two versions was not packaged by stagewright. Raises registry.RegistryError."""
    return any(registry.resolve(uri).manifest_digest is None for uri in uris)


def from_options(a: str, b: str, given: Mapping[str, Any]) -> CompareTableJob:
    """The options of `stagewright compare`, by their names. Raises InputError on what is of photos."""
    for name in ("labels", "private_key"):
        if given[name]:
            raise InputError(
                f"--{name.replace('_', '-')} is of photos. `evaluate` both versions on one table, and gates compare "
                "the figures; those of versions that stagewright did not package cannot be signed."
            )
    return CompareTableJob(a=a, b=b, output=given["output_path"], **fields_of(given))


@dataclass(frozen=True, slots=True)
class Contest:
    """What is known before Spark starts: both versions, ready to be asked, and which of their outputs counts."""

    a: udf.Subject
    b: udf.Subject
    answer: str
    dataset: str

    @property
    def models(self) -> tuple[Path, ...]:
        """The directories that workers will load."""
        return (*self.a.models, *self.b.models)


def check(registry: Registry, job: CompareTableJob) -> Contest:
    """Resolve both versions and fetch them, if they may be used. Raises InputError or registry.RegistryError."""
    dataset = labelled.dataset_name(job.dataset, job.source.path)
    served.check_source(job.source)
    served.check_path("The output", job.output)
    sides, outputs = [], []
    for version in (registry.resolve(job.a), registry.resolve(job.b)):
        if version.manifest_digest is not None:
            raise InputError(f"{version.pinned_uri} takes photos, and the other version takes columns.")
        subject, names = checked(registry, version, job)
        foreign.check_source(version, job.source)
        sides.append(subject)
        outputs.append(names)
    common = [name for name in outputs[0] if name in outputs[1]]
    if job.answer is None and len(common) == 1:
        return Contest(sides[0], sides[1], common[0], dataset)
    if job.answer is None or job.answer not in common:
        raise InputError(f"Which output is compared? Name one that both have, {common}, by --answer NAME.")
    return Contest(sides[0], sides[1], job.answer, dataset)


def compare(
    spark: SparkSession,
    registry: Registry,
    job: CompareTableJob,
    say: Callable[[str], None],
    contest: Contest | None = None,
) -> TableComparison:
    """As `comparing.compare`: ask both, write both answers, keep the figures as a run of `b`, and as its tags."""
    contest = contest or check(registry, job)
    a, b = contest.a.version, contest.b.version
    say(f"a: {job.a} is {a.pinned_uri}; b: {job.b} is {b.pinned_uri}")
    frame = sources.read(spark, job.source)
    sinks.check(spark, Sink(job.output))
    said = {"requested": job.b, "against": a.pinned_uri, "input": job.source.path, "output": job.output}
    name = f"compare {b.name} {b.number} with {a.name} {a.number}"
    with recorded(registry, b, name, said, job.experiment) as run:
        asked = _asked(frame, job, contest).withColumn(RUN, F.lit(run.run_id))
        started = time.monotonic()
        with explained(ANEW), progress(spark, say):
            sinks.write(asked, Sink(job.output))
        seconds = round(time.monotonic() - started, 3)
        done = _report(spark.read.parquet(job.output), job, contest, run.run_id, seconds)
        run.outcome = done.outcome()
        done.check_budget(job.max_error_rate)
        if a.name == b.name:
            kept = done.dataset, done.dataset_digest, run.run_id, datetime.now(UTC), done.metrics
            registry.set_version_tags(b, Comparison(a.number, *kept).as_tags())
    return done


def _asked(frame: DataFrame, job: CompareTableJob, contest: Contest) -> DataFrame:
    """The kept columns, `a` and `b` {answer, status, error}, `agree`, DIGEST."""
    asked = []
    for name, subject in (("a", contest.a), ("b", contest.b)):
        assert subject.signature is not None
        subject.signature.check(frame, job.options, TAKEN)
        predict = udf.udf_of(frame.sparkSession, subject, job.options)
        asked.append(predict(udf.given(frame, subject, job.options)).alias(f"_{name}"))
    line = digest_of(udf.given(frame, contest.b, job.options)).alias(DIGEST)
    answered = frame.select(*columns.kept(frame, job.options.keep), line, *asked)
    sides = [_side(name, contest.answer) for name in ("a", "b")]
    kept = [F.col(columns.quoted(name)) for name in job.options.keep]
    both = answered.select(*kept, *sides, DIGEST)
    kind = both.schema["a"].dataType
    assert isinstance(kind, T.StructType)
    return both.select(*kept, "a", "b", _agree(kind["answer"].dataType).alias("agree"), DIGEST)


def _side(name: str, answer: str) -> Column:
    said = F.col(f"_{name}")
    ok = said["status"] == Status.OK.value
    error = F.when(~ok, said["error"]).alias("error")
    return F.struct(F.when(ok, said[answer]).alias("answer"), said["status"].alias("status"), error).alias(
        name
    )


def _agree(kind: T.DataType) -> Column:
    """Null where neither has an answer; of arrays of scores the best is the answer."""
    a, b = (_answer(F.col(name)["answer"], kind) for name in ("a", "b"))
    same = a == b
    if isinstance(kind, T.FloatType | T.DoubleType):
        same = F.abs(a - b) <= SAME * F.greatest(F.abs(a), F.abs(b), F.lit(1.0))
    return F.when(a.isNotNull() & b.isNotNull(), same).when(a.isNotNull() | b.isNotNull(), F.lit(False))


def _answer(answer: Column, kind: T.DataType) -> Column:
    return F.array_position(answer, F.array_max(answer)) if isinstance(kind, T.ArrayType) else answer


def _report(
    written: DataFrame, job: CompareTableJob, contest: Contest, run_id: str, seconds: float
) -> TableComparison:
    counts = {"rows": F.count(F.lit(1)), "decided": F.count("agree"), "agree": F.count_if("agree")}
    kind = written.schema["a"].dataType
    assert isinstance(kind, T.StructType)
    apart = F.abs(F.col("a.answer") - F.col("b.answer"))
    if isinstance(kind["answer"].dataType, T.FloatType | T.DoubleType):
        counts |= {"mean_absolute_difference": F.avg(apart), "largest_difference": F.max(apart)}
    found = written.agg(*(column.alias(name) for name, column in counts.items())).first()
    assert found is not None
    if not found.decided:
        raise JobFailed(f"Neither version could answer for any of the {found.rows:,} rows.")
    differences = {name: float(found[name]) for name in counts if name.endswith("difference")}
    lines = (row[0] for row in written.select(DIGEST).orderBy(DIGEST).toLocalIterator())
    return TableComparison(
        a=contest.a.version.pinned_uri,
        b=contest.b.version.pinned_uri,
        dataset=contest.dataset,
        dataset_digest=labelled.dataset_digest(lines),
        metrics={
            "rows": float(found.rows),
            "agreement": found.agree / found.decided,
            "disagreements": float(found.decided - found.agree),
            **differences,
        },
        statuses={name: _statuses(written, name) for name in ("a", "b")},
        output=job.output,
        run_id=run_id,
        seconds=seconds,
    )


def _statuses(written: DataFrame, name: str) -> dict[str, int]:
    counted = written.groupBy(F.col(name)["status"].alias("status")).count().collect()
    return {row.status: row["count"] for row in sorted(counted, key=lambda row: -int(row["count"]))}
