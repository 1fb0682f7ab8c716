"""A scoring job whose output can be come back to: what is done is looked up, and only the rest is scored."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import SparkSession

from registry import JobKind, Registry
from registry.tags import RUN_JOB

from ..errors import JobFailed
from ..spark.faults import explained
from ..spark.progress import Known, progress
from ..spark.settings import set_for_now
from . import chunks, one_go, outputs, reported
from .chunks import Input
from .job import ScoreJob
from .place import begun, completion, record, runs, work
from .place.completion import Finished, Output, State
from .place.counting import Counts
from .place.delta import FORMAT, Commits
from .place.owner import owned
from .place.plan import all_of, known_rows
from .place.record import JobRecord
from .place.stores import Folder, Store
from .place.watching import Watch
from .place.writer import Told
from .recording import Recording, recorded, unrecorded
from .report import ScoreReport, in_order, outcome
from .udf import Subject

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


def now(job: ScoreJob) -> dict[str, Any]:
    """What a record says of a job besides its version."""
    said = record.said_of(job.options, job.source)
    said["options"]["quarantine"] = job.quarantine
    return {**said, "output_format": job.sink.format}


def run(
    spark: SparkSession, registry: Registry, job: ScoreJob, subject: Subject, store: Store, say: Say
) -> ScoreReport:
    """As `batch.run`, for an output at `store`."""
    chunks.check_names(job)
    with outputs.writable(store), owned(store):
        if isinstance(store, Folder):
            store.clear_unfinished()
        found = begun.meaning(registry, store, job.model, now(job))
        begun.check_meant(store, found, subject.version)
        if found.line:
            say(found.line)
        if job.record:
            runs.complete(store, registry, say)
        parts = chunks.parts_of(spark, job, subject, store, say)
        known = found.record or begun.new_record(job.model, subject.version, now(job))
        command = _Command(spark, registry, job, subject, _output(job, store, known), say)
        if parts is None:
            return _in_one_go(command, known)
        input_ = Input.of(parts, subject, job.options)
        record.check_schema(store, input_.schema.json())
        if found.record is None:
            # What is asked for can be done as far as can be known: from here on it is this job's output.
            record.begin(store, known)
        with set_for_now(spark, parts.settings()):
            return _go_on(command, input_)


def _output(job: ScoreJob, store: Store, known: JobRecord) -> Output:
    commits = Commits(store, known.job) if job.sink.format == FORMAT else None
    return Output(store, known.job, commits, outputs.quarantine_of(job))


def _in_one_go(command: _Command, known: JobRecord) -> ScoreReport:
    before = completion.last_finished(command.output.store)
    if before.through:
        return _nothing_new(command, before)
    subject, store = command.subject, command.output.store
    done = one_go.run_at(command.spark, command.registry, command.job, subject, store, command.say)
    record.begin(store, known)
    one_go.show(store, done)
    reported.keep(command.registry, store, done.scoring_run_id, command.say)
    return done


def _go_on(command: _Command, input_: Input) -> ScoreReport:
    if command.output.commits and command.output.commits.exists():
        command.output.complete()
    state = completion.state(command.output, input_.parts)
    before = state.finished.counts + completion.held(command.output, state.done, {})
    if not state.open:
        return replace(_nothing_new(command, state.finished), **_of_input(input_, state))
    if before.rows:
        command.say(f"{before.rows:,} rows are there already; what is left is {state.left:,} chunks")
    with _recorded(command) as run:
        finished = _score(command, input_, state, before, run.run_id)
        run.outcome = outcome(finished)
        run_id = run.run_id if command.job.record else None
        reported.keep(command.registry, command.output.store, run_id, command.say)
        finished.check_budget(command.job.max_error_rate)
    return finished


@contextmanager
def _recorded(command: _Command) -> Iterator[Recording]:
    version, job, store = command.subject.version, command.job, command.output.store
    if not job.record:
        with unrecorded() as run:
            yield run
        return
    name = f"score {version.name} {version.number}"
    said = {"requested": job.model, "input": job.source.path, "output": job.sink.path}
    said[RUN_JOB] = JobKind.SCORING
    with (
        runs.remembering(store) as remember,
        recorded(command.registry, version, name, said, job.experiment, runs.Keeper(store)) as run,
    ):
        remember(run.run_id)
        yield run


def _score(command: _Command, input_: Input, state: State, before: Counts, run_id: str) -> ScoreReport:
    started = time.monotonic()

    def report(there: Counts) -> ScoreReport:
        seconds = round(time.monotonic() - started, 3)
        about = {"rows_before": before.rows, "scoring_run_id": run_id, "seconds": seconds}
        about["recorded"] = command.job.record
        return _report(command, there, {**about, **_of_input(input_, state)})

    watch = Watch(before, lambda: input_.parts.rows(all_of(command.output.store)), command.job.max_error_rate)
    try:
        # Nothing is left where a command ended between its last chunk and its last word.
        told = _write(command, input_, state, run_id, watch) if state.left else {}
    except JobFailed:
        if watch.ended:
            report(completion.there(command.output, state, watch.told)).check_budget(
                command.job.max_error_rate
            )
        raise
    return report(completion.finish(command.output, state, told, run_id))


def _write(command: _Command, input_: Input, state: State, run_id: str, watch: Watch) -> Told:
    output, job = command.output, command.job
    rows = input_.parts.frame(output.store, state.open, state.done)
    stamped = replace(job, options=replace(job.options, run_id=run_id))
    record.remember_schema(output.store, input_.schema.json())
    output.create(input_.schema)
    total, before = known_rows(all_of(output.store)), watch.now().rows

    def known() -> Known:
        now = watch.now()
        return Known(before, now.rows - before, now.bad, total)

    with explained(), progress(command.spark, command.say, known):
        told = work.write(output, input_.unscored(stamped, command.subject, rows), run_id, watch)
    work.write_empty(output, input_.schema)
    return told


def _nothing_new(command: _Command, finished: Finished) -> ScoreReport:
    command.say(f"Nothing new in {command.job.source.path!r}: all of it is in {command.job.sink.path!r}.")
    return _report(
        command, finished.counts, {"rows_before": finished.rows, "scoring_run_id": finished.run_id}
    )


def _of_input(input_: Input, state: State) -> dict[str, Any]:
    compared = state.compared
    return {"left_out": input_.parts.inventory.left_out, "gone": compared.gone, "changed": compared.changed}


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
