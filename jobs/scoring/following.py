"""All scored again with the version that is meant now, beside the old output, which it then takes the place of."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pyspark.sql import SparkSession

from registry import ModelVersion, Registry

from ..errors import InputError
from . import outputs, resumable
from .job import ScoreJob
from .place import record, swapping
from .place.owner import owned
from .place.record import JobRecord
from .place.stores import PRIVATE, Folder, Store
from .report import ScoreReport
from .udf import Subject

# In an output that took another's place: which job that was.
_REPLACED = f"{PRIVATE}/replaced"


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
    place = Folder(str(Path(outputs.path_of(job)).resolve()))
    with owned(place):
        old = record.read(place)
        assert old is not None
        aside = replace(job, follow=False, sink=replace(job.sink, path=str(_next(place))))
        _clear(registry, place, aside, say)
        say(f"All is scored again beside {place.root!r}, which stays as it is until then")
        store = Folder(aside.sink.path)
        done = resumable.run(spark, registry, aside, subject, store, say)
        store.put(_REPLACED, old.job.encode())
        swapping.put_in_place(Path(store.root), Path(place.root))
        kept = _keep(place, old)
    say(f"{place.root!r} is {subject.version.pinned_uri} now; what was there before is {str(kept)!r}")
    return replace(done, output=job.sink.path)


def begun_beside(registry: Registry, job: ScoreJob) -> Folder:
    """Where `run` would score all again: at what an earlier command has left there, if that is what is wanted now."""
    place = Folder(str(Path(outputs.path_of(job)).resolve()))
    beside = Folder(str(_next(place)))
    found = record.read(beside)
    wanted = found is not None and not list(
        record.differences(found, registry.resolve(job.model), resumable.now(job))
    )
    return beside if wanted and not _is_replaced(place) else Folder(str(_thrown(beside)))


def tidy(store: Store) -> None:
    """Where a command was killed once it had put the new output in its place: the old one gets its name."""
    if isinstance(store, Folder) and _is_replaced(store):
        with owned(store):
            replaced = record.read(Folder(str(_next(store))))
            if replaced is not None and _is_replaced(store):
                _keep(store, replaced)


def _is_replaced(place: Folder) -> bool:
    """Whether what lies beside `place` is what was there before, and not what is to be there."""
    beside = record.read(Folder(str(_next(place))))
    return beside is not None and place.read(_REPLACED) == beside.job.encode()


def _clear(registry: Registry, place: Folder, aside: ScoreJob, say: Callable[[str], None]) -> None:
    """Out of the way with what an earlier command has left there, if it is not what is wanted now."""
    store = Folder(aside.sink.path)
    shutil.rmtree(_thrown(store), ignore_errors=True)
    found = record.read(store)
    if found is None:
        return
    if _is_replaced(place):
        _keep(place, found)
    elif list(record.differences(found, registry.resolve(aside.model), resumable.now(aside))):
        say(f"What had been begun with {found.pinned_uri} is thrown away")
        # In two steps: what is half gone is nothing to go on with.
        Path(store.root).rename(_thrown(store))
        shutil.rmtree(_thrown(store))


def _thrown(store: Folder) -> Path:
    return Path(f"{store.root}.thrown")


def _keep(place: Folder, old: JobRecord) -> Path:
    kept = Path(f"{place.root}.version-{old.model_version}-{old.job}")
    _next(place).rename(kept)
    return kept


def _next(place: Folder) -> Path:
    return Path(f"{place.root}.next")
