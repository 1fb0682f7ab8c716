"""What a scoring job would do: asked of the registry, the output, the input and a sample, and written nowhere."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession

from registry import ModelVersion, Registry, tenure

from ..spark import jvm
from . import batch, chunks, following, outputs, resumable, served, sources
from .chunks import Input
from .forecast import Allowed, Forecast, Work
from .job import ScoreJob
from .options import ScoreOptions
from .place import begun, completion, record
from .place.parts import Parts
from .place.plan import all_of, known_rows
from .place.stores import Store
from .sampled import sample
from .sources import images
from .udf import Subject, takes_paths

Say = Callable[[str], None]
_GOES_ON, _NEW, _NOTHING = "goes on with what is there", "begins it", "nothing new"
_AGAIN = "scores all again beside it, which then takes its place"
_ONE_GO = "is written in one go"


def check(registry: Registry, job: ScoreJob) -> Subject:
    """As `batch.check`, and raises InputError where a Spark Connect server is meant."""
    served.refuse("--plan")
    return batch.check(registry, job)


def forecast(spark: SparkSession, registry: Registry, job: ScoreJob, say: Say, subject: Subject) -> Forecast:
    """What `batch.run` would do with the same; `subject` is what `check` gave.

    Raises what that would raise before a photo is scored.
    """
    seen = _foreseen(spark, registry, job, say, subject)
    measured = sample(seen.some, subject, seen.options, seen.work.workers) if seen.work.left != 0 else None
    return Forecast(
        model=subject.version.pinned_uri,
        requested=job.model,
        allowed=_allowed(registry, subject.version),
        input=job.source.path,
        output=f"{job.sink.path} ({job.sink.format})",
        becomes=seen.becomes,
        work=seen.work,
        sample=measured,
        max_error_rate=job.max_error_rate,
        model_bytes=sum(file.stat().st_size for file in subject.model.rglob("*") if file.is_file()),
        heap_bytes=jvm.heap_bytes(spark),
    )


@dataclass(frozen=True, slots=True)
class _Foreseen:
    """`some` gives as many of the input's rows as it is asked for, to be scored with `options`."""

    becomes: str
    work: Work
    some: Callable[[int], DataFrame]
    options: ScoreOptions


def _foreseen(
    spark: SparkSession, registry: Registry, job: ScoreJob, say: Say, subject: Subject
) -> _Foreseen:
    store = outputs.store_of(job)
    if store is None or not outputs.is_ours(spark, job, store):
        return _in_one_go(spark, job, say, subject)
    chunks.check_names(job)
    again = following.is_needed(registry, job, store) is not None
    if again:
        store = following.begun_beside(registry, job)
    found = begun.meaning(registry, store, job.model, resumable.now(job))
    begun.check_meant(store, found, subject.version)
    if found.line:
        say(found.line)
    parts = chunks.parts_of(spark, job, subject, store, say)
    if parts is None:
        return _in_one_go(spark, job, say, subject)
    record.check_schema(store, Input.of(parts, subject, job.options).schema.json())
    seen = _work(spark, store, found.record.job if found.record else "", parts)
    goes_on = _GOES_ON if seen.left or seen.chunks else _NOTHING
    becomes = _AGAIN if again else _NEW if found.record is None else goes_on
    options = replace(job.options, content_as=job.options.content_as or parts.content_as)
    return _Foreseen(becomes, seen, parts.some, options)


def _work(spark: SparkSession, store: Store, job: str, parts: Parts) -> Work:
    found = completion.foreseen(completion.Output(store, job), parts)
    plans = [*all_of(store), *([found.new] if found.new else [])]
    rows = known_rows(plans)
    return Work(
        rows=parts.rows(plans) if rows is None else rows,
        done_rows=found.there.rows,
        done_chunks=found.done,
        chunks=found.left,
        workers=images.tasks_at_once(spark),
        left_out=parts.inventory.left_out,
        gone=found.compared.gone,
        changed=found.compared.changed,
    )


def _in_one_go(spark: SparkSession, job: ScoreJob, say: Say, subject: Subject) -> _Foreseen:
    reading = sources.read_for(spark, job.source, job.options, takes_paths(subject.model), say)
    foreseen = Work(None, 0, 0, None, images.tasks_at_once(spark), reading.left_out)
    return _Foreseen(_ONE_GO, foreseen, reading.rows.limit, reading.options)


def _allowed(registry: Registry, version: ModelVersion) -> Allowed:
    """As the ledger and the policies say now; that none refuses it was checked before it was fetched."""
    stands = tenure(registry.counted(version.name), version.stage, datetime.now(UTC))
    since = stands.since if stands.version == version.number else None
    gates = [] if since is None else since.more.get("gates", [])
    policies = [policy for policy in (registry.policy_here(), registry.policy(version.name)) if policy]
    return Allowed(
        stage=version.stage.value,
        since=f"{since.at:%Y-%m-%d %H:%M:%S} UTC" if since else None,
        by=since.who if since else None,
        because=since.because if since else None,
        gates=[_gate(said) for said in gates],
        policies=[f"{policy.declared} {rule}" for policy in policies for rule in policy.rules],
    )


def _gate(said: dict[str, object]) -> str:
    verdict = "passed" if said.get("passed") else "overridden"
    return f"{said.get('gate')} {verdict} ({said.get('found')}, wanted {said.get('wanted')})"
