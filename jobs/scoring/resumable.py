"""A scoring job whose output can be come back to: what is done is looked up, and only the rest is scored."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from registry import Registry

from ..errors import InputError, JobFailed
from ..spark import jvm, local_reading
from ..spark.faults import explained
from ..spark.progress import progress
from ..spark.settings import set_for_now
from . import columns, one_go, sources
from .job import ScoreJob
from .place import begun, delta, record, runs, work
from .place.counting import Counts
from .place.delta import Commits
from .place.owner import owned
from .place.parts import Parts
from .place.photos import Photos
from .place.plan import all_of
from .place.record import JobRecord
from .place.stores import Bucket, Folder, Store, local_path, store_at
from .place.tables import Tables
from .place.work import Finished, Output, State, Watch
from .place.writer import BAD_CONTENT, CHUNK, Told
from .recording import Recording, recorded
from .report import ScoreReport, in_order, outcome
from .sources import images, local_files
from .udf import IDENTITY, Subject, predictions, takes_paths

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Command:
    """One command's work on an output."""

    spark: SparkSession
    registry: Registry
    job: ScoreJob
    subject: Subject
    output: Output
    say: Say


def store_of(job: ScoreJob) -> Store | None:
    """Where a job's output lies; None where Spark alone can write it. Raises InputError where nothing can."""
    ours = job.sink.format == "parquet" or (job.sink.format == delta.FORMAT and delta.is_installed())
    store = store_at(job.sink.path) if ours else None
    if isinstance(store, Bucket):
        _try(store)
    return store


def _try(store: Bucket) -> None:
    try:
        store.is_free()
    except ImportError as error:
        raise InputError(
            f"{store.root!r} is in an object store, which takes obstore: pip install 'stagewright[object-stores]', "
            "on executors too."
        ) from error
    except Exception as error:  # obstore's own, and what lies below it
        raise InputError(
            f"{store.root!r} cannot be used: {next(iter(str(error).splitlines()), error)}. Address, region and "
            "credentials come from the environment, such as AWS_ENDPOINT_URL and AWS_ACCESS_KEY_ID; on executors too."
        ) from error


def path_of(job: ScoreJob) -> str:
    """Of an output in a file system, absolute."""
    return local_path(job.sink.path)


def now(job: ScoreJob) -> dict[str, Any]:
    """What a record says of a job besides its version."""
    said = record.said_of(job.options, job.source)
    said["options"]["quarantine"] = job.quarantine
    return {**said, "output_format": job.sink.format}


def run(
    spark: SparkSession, registry: Registry, job: ScoreJob, subject: Subject, store: Store, say: Say
) -> ScoreReport:
    """As `batch.run`, for an output at `store`."""
    _check_names(job)
    with _writable(store), owned(store):
        if isinstance(store, Folder):
            store.clear_unfinished()
        found = begun.meaning(registry, store, job.model, now(job))
        begun.check_meant(store, found, subject.version)
        if found.line:
            say(found.line)
        runs.complete(store, registry, say)
        parts = _parts(spark, job, subject, store, say)
        known = found.record or begun.new_record(job.model, subject.version, now(job))
        command = _Command(spark, registry, job, subject, _output(job, store, known), say)
        if parts is None:
            return _in_one_go(command, known)
        _check(command, parts)
        if found.record is None:
            # What is asked for can be done as far as can be known: from here on it is this job's output.
            record.begin(store, known)
        with set_for_now(spark, parts.settings()):
            return _go_on(command, parts)


def _check_names(job: ScoreJob) -> None:
    """Raises InputError on a column that chunks have a use for."""
    for name in job.options.keep:
        if name in (CHUNK, BAD_CONTENT):
            raise InputError(f"Column {name!r} cannot be kept: jobs use that name. Rename it first.")


@contextmanager
def _writable(store: Store) -> Iterator[None]:
    """Raises JobFailed where the file system that an output lies in refuses something."""
    try:
        yield
    except OSError as error:
        if not isinstance(store, Folder) or not str(error.filename or "").startswith(store.root):
            raise
        raise JobFailed(
            f"The output cannot be written: {error.strerror or error}: {error.filename!r}. What is there stays; run "
            "the same command again once it can be written, or name another output."
        ) from error


def _output(job: ScoreJob, store: Store, known: JobRecord) -> Output:
    commits = Commits(store, known.job) if job.sink.format == delta.FORMAT else None
    return Output(store, known.job, commits, _quarantine(job))


def _quarantine(job: ScoreJob) -> Store | None:
    """Raises InputError where nothing can be put there."""
    if job.quarantine is None:
        return None
    found = store_at(job.quarantine)
    if found is None:
        raise InputError(f"--quarantine takes a folder or an object store, and not {job.quarantine!r}.")
    if isinstance(found, Bucket):
        _try(found)
    return found


def is_ours(spark: SparkSession, job: ScoreJob, store: Store) -> bool:
    """Whether Spark means the same place by the path: a cluster's default file system may be another."""
    return not isinstance(store, Folder) or jvm.scheme(spark, job.sink.path) == "file"


def _in_one_go(command: _Command, known: JobRecord) -> ScoreReport:
    before = work.last_finished(command.output.store)
    if before.through:
        return _nothing_new(command, before)
    subject, store = command.subject, command.output.store
    done = one_go.run_at(command.spark, command.registry, command.job, subject, store, command.say)
    record.begin(store, known)
    one_go.show(store, done)
    return done


def _go_on(command: _Command, parts: Parts) -> ScoreReport:
    if command.output.commits and command.output.commits.exists():
        command.output.complete()
    state = work.state(command.output, parts)
    before = state.finished.counts + work.held(command.output, state.done, {})
    if not state.open:
        return replace(_nothing_new(command, state.finished), **_of_input(parts, state))
    if before.rows:
        command.say(f"{before.rows:,} rows are there already; what is left is {state.left:,} chunks")
    with _recorded(command) as run:
        finished = _score(command, parts, state, before, run.run_id)
        run.outcome = outcome(finished)
        finished.check_budget(command.job.max_error_rate)
    return finished


@contextmanager
def _recorded(command: _Command) -> Iterator[Recording]:
    version, job, store = command.subject.version, command.job, command.output.store
    name = f"score {version.name} {version.number}"
    said = {"requested": job.model, "input": job.source.path, "output": job.sink.path}
    with (
        runs.remembering(store) as remember,
        recorded(command.registry, version, name, said, job.experiment, runs.Keeper(store)) as run,
    ):
        remember(run.run_id)
        yield run


def _score(command: _Command, parts: Parts, state: State, before: Counts, run_id: str) -> ScoreReport:
    started = time.monotonic()

    def report(there: Counts) -> ScoreReport:
        seconds = round(time.monotonic() - started, 3)
        about = {"rows_before": before.rows, "scoring_run_id": run_id, "seconds": seconds}
        return _report(command, there, {**about, **_of_input(parts, state)})

    watch = Watch(before, lambda: parts.rows(all_of(command.output.store)), command.job.max_error_rate)
    try:
        # Nothing is left where a command ended between its last chunk and its last word.
        told = _write(command, _frame(command, parts, state, run_id), run_id, watch) if state.left else {}
    except JobFailed:
        if watch.ended:
            report(work.there(command.output, state, watch.told)).check_budget(command.job.max_error_rate)
        raise
    return report(work.finish(command.output, state, told, run_id))


def _write(command: _Command, frame: DataFrame, run_id: str, watch: Watch) -> Told:
    command.output.create(frame)
    with explained(), progress(command.spark, command.say):
        told = work.write(command.output, frame, run_id, watch)
    work.write_empty(command.output, frame)
    return told


def _check(command: _Command, parts: Parts) -> None:
    """Raises InputError where predictions cannot be made or kept, or are not as those that are there."""
    options = replace(command.job.options, run_id="", content_as=_content_as(command, parts))
    frame = predictions(parts.like(), command.subject, options)
    work.check_types(frame)
    record.check_schema(command.output.store, frame.schema.json())


def _frame(command: _Command, parts: Parts, state: State, run_id: str) -> DataFrame:
    """Predictions of what is left, with CHUNK, and with BAD_CONTENT where that is asked for."""
    output, asked = command.output, command.job.options
    options = replace(asked, run_id=run_id, content_as=_content_as(command, parts))
    rows = parts.frame(output.store, state.open, state.done)
    frame = predictions(rows, command.subject, replace(options, keep=(*asked.keep, CHUNK)))
    record.remember_schema(output.store, frame.drop(CHUNK).schema.json())
    if not command.job.quarantine_bytes:
        return frame
    content = asked.content_column
    frame = predictions(rows, command.subject, replace(options, keep=(*asked.keep, CHUNK, content)))
    bad = F.when(F.col("status") != "ok", F.col(columns.quoted(content)))
    by_path = options.content_as == "path"
    frame = frame.withColumn(BAD_CONTENT, local_reading.contents()(bad) if by_path else bad)
    return frame if content in asked.keep else frame.drop(F.col(columns.quoted(content)))


def _content_as(command: _Command, parts: Parts) -> str | None:
    return command.job.options.content_as or parts.content_as


def _nothing_new(command: _Command, finished: Finished) -> ScoreReport:
    command.say(f"Nothing new in {command.job.source.path!r}: all of it is in {command.job.sink.path!r}.")
    return _report(
        command, finished.counts, {"rows_before": finished.rows, "scoring_run_id": finished.run_id}
    )


def _parts(spark: SparkSession, job: ScoreJob, subject: Subject, store: Store, say: Say) -> Parts | None:
    """The input, if it can be cut into chunks that stay the same. Raises InputError as `sources.read` does."""
    if job.source.format == sources.IMAGES:
        if not images.is_local(spark, job.source):
            return None
        listing = sources.listing(spark, job.source)
        if left_out := local_files.in_words(listing.left_out):
            say(f"left out in {job.source.path}: {left_out}")
        by_path = sources.by_path(job.options, takes_paths(subject.model))
        return Photos(spark, listing, by_path, images.inside(spark, job.source))
    frame = sources.read(spark, job.source)
    columns.check(frame, job.options.content_column, job.options.keep, IDENTITY)
    if not jvm.has_files(frame):
        return None
    tables = Tables(frame, all_of(store))
    if isinstance(store, Folder) and tables.lie_in(Path(store.root).resolve()):
        raise InputError(
            f"The output {job.sink.path!r} lies in the input {job.source.path!r}, which would read it the next time. "
            "Name an output elsewhere."
        )
    return tables


def _of_input(parts: Parts, state: State) -> dict[str, Any]:
    compared = state.compared
    return {"left_out": parts.inventory.left_out, "gone": compared.gone, "changed": compared.changed}


def _report(command: _Command, total: Counts, about: dict[str, Any]) -> ScoreReport:
    version, job = command.subject.version, command.job
    said = {
        "model_name": version.name,
        "model_version": version.number,
        "model_digest": version.model_digest or "",
        "requested": job.model,
        "input": job.source.path,
        "output": job.sink.path,
        "rows": total.rows,
        "by_status": in_order(total.by_status),
        "seconds": 0.0,
    }
    return ScoreReport(**{**said, **about})
