"""A scoring job whose output can be come back to: what is done is looked up, and only the rest is scored."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from registry import Registry

from ..errors import JobFailed
from ..spark import jvm
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
from .place.stores import Folder, Store, local_path, store_at
from .place.tables import Tables
from .place.work import Finished, Output, State, Watch
from .place.writer import CHUNK, Told
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
    """Where a job's output lies; None where its format is one that Spark alone writes."""
    ours = job.sink.format == "parquet" or (job.sink.format == delta.FORMAT and delta.is_installed())
    return store_at(job.sink.path) if ours else None


def path_of(job: ScoreJob) -> str:
    """Of an output in a file system, absolute."""
    return local_path(job.sink.path)


def now(job: ScoreJob) -> dict[str, Any]:
    """What a record says of a job besides its version."""
    return {**record.said_of(job.options, job.source), "output_format": job.sink.format}


def run(
    spark: SparkSession, registry: Registry, job: ScoreJob, subject: Subject, store: Store, say: Say
) -> ScoreReport:
    """As `batch.run`, for an output at `store`."""
    with owned(store):
        if isinstance(store, Folder):
            store.clear_unfinished()
        found = begun.meaning(registry, store, job.model, now(job))
        begun.check_meant(store, found, subject.version)
        if found.line:
            say(found.line)
        runs.end_those_of_the_dead(store, registry, say)
        parts = _parts(spark, job, subject, store, say)
        known = found.record or begun.new_record(job.model, subject.version, now(job))
        if found.record is None:
            record.begin(store, known)
        command = _Command(spark, registry, job, subject, _output(job, store, known), say)
        if parts is None:
            return _in_one_go(command)
        with set_for_now(spark, parts.settings()):
            return _go_on(command, parts)


def _output(job: ScoreJob, store: Store, known: JobRecord) -> Output:
    commits = Commits(store, known.job) if job.sink.format == delta.FORMAT else None
    return Output(store, known.job, commits)


def is_ours(spark: SparkSession, job: ScoreJob, store: Store) -> bool:
    """Whether Spark means the same place by the path: a cluster's default file system may be another."""
    return not isinstance(store, Folder) or jvm.scheme(spark, job.sink.path) == "file"


def _in_one_go(command: _Command) -> ScoreReport:
    before = work.last_finished(command.output.store)
    if before.through:
        return _nothing_new(command, before)
    return one_go.run_at(
        command.spark, command.registry, command.job, command.subject, command.output.store, command.say
    )


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
    version, job = command.subject.version, command.job
    name = f"score {version.name} {version.number}"
    said = {"requested": job.model, "input": job.source.path, "output": job.sink.path}
    with (
        runs.remembering(command.output.store) as remember,
        recorded(command.registry, version, name, said, job.experiment) as run,
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


def _frame(command: _Command, parts: Parts, state: State, run_id: str) -> DataFrame:
    """Predictions of what is left, with CHUNK. Raises InputError where they are not as those that are there."""
    options, store = command.job.options, command.output.store
    options = replace(options, run_id=run_id, keep=(*options.keep, CHUNK))
    options = replace(options, content_as=options.content_as or parts.content_as)
    frame = predictions(parts.frame(store, state.open, state.done), command.subject, options)
    work.check_types(frame)
    record.check_schema(store, frame.drop(CHUNK).schema.json())
    return frame


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
        return Photos(spark, listing, by_path=sources.by_path(job.options, takes_paths(subject.model)))
    frame = sources.read(spark, job.source)
    columns.check(frame, job.options.content_column, job.options.keep, IDENTITY)
    return Tables(frame, all_of(store)) if jvm.has_files(frame) else None


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
