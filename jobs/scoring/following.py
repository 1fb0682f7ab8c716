"""All scored again with the version that is meant now, beside the old output, which it then takes the place of."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pyspark.sql import SparkSession

from registry import ModelVersion, Registry

from ..errors import InputError
from . import resumable
from .job import ScoreJob
from .place import begun, record, swapping
from .place.owner import owned
from .place.record import JobRecord
from .place.stores import Folder, Store
from .report import ScoreReport
from .udf import Subject


def is_needed(registry: Registry, job: ScoreJob, store: Store) -> ModelVersion | None:
    """The version to follow to; None where what is at `store` is what the job asks for, or nothing is there.

    Raises InputError on an object store, where nothing takes another's place.
    """
    old = record.read(store) if job.follow else None
    if old is None:
        return None
    asked = registry.resolve(job.model)
    same_name = asked.name == old.model_name
    if same_name and not list(record.differences(old, asked, resumable.now(job))):
        return None
    if not isinstance(store, Folder):
        raise InputError(
            f"In an object store nothing can take the place of {store.root!r} at once. Name another output, and point "
            "readers there when it is done."
        )
    return asked


def run(
    spark: SparkSession, registry: Registry, job: ScoreJob, subject: Subject, say: Callable[[str], None]
) -> ScoreReport:
    """As `batch.run`; once all is scored, and well enough, it is at the job's output, and the old one beside it."""
    place = Folder(str(Path(resumable.path_of(job)).resolve()))
    with owned(place):
        old = record.read(place)
        assert old is not None
        aside = replace(job, follow=False, sink=replace(job.sink, path=str(_next(place))))
        _clear(registry, aside, say)
        say(f"All is scored again beside {place.root!r}, which stays as it is until then")
        store = Folder(aside.sink.path)
        done = resumable.run(spark, registry, aside, subject, store, say)
        swapping.put_in_place(Path(store.root), Path(place.root))
        kept = _keep(place, old)
    say(f"{place.root!r} is {subject.version.pinned_uri} now; what was there before is {str(kept)!r}")
    return replace(done, output=job.sink.path)


def _clear(registry: Registry, aside: ScoreJob, say: Callable[[str], None]) -> None:
    """Out of the way with what an earlier command has left there, if it is not what is wanted now."""
    store = Folder(aside.sink.path)
    found = record.read(store)
    if found is None:
        return
    if begun.is_finished(store) and Path(store.root).exists():
        # A command ended between the two renames: it is the old output.
        _keep(Folder(store.root.removesuffix(".next")), found)
    elif list(record.differences(found, registry.resolve(aside.model), resumable.now(aside))):
        say(f"What had been begun with {found.pinned_uri} is thrown away")
        shutil.rmtree(store.root)


def _keep(place: Folder, old: JobRecord) -> Path:
    kept = Path(f"{place.root}.version-{old.model_version}-{old.job}")
    _next(place).rename(kept)
    return kept


def _next(place: Folder) -> Path:
    return Path(f"{place.root}.next")
