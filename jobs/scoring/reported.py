"""The page of a scoring job: made from its output and the output's own record, also of one that still grows."""

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from registry import ModelVersion, Registry, RegistryError, Run, RunNotFound
from registry.tags import RUN_STAGE

from ..errors import InputError, JobError, first_line
from ..reporting import figures, timing
from ..reporting.figures import Figures, Kept
from ..reporting.gathering import Rows, gathered
from ..reporting.page import facts
from ..reporting.scoring_page import ScoringJob, scoring_page
from ..reporting.timing import Times
from . import earlier, ran
from .pictured import Pictures, pictures
from .place import delta, plan, record, runs
from .place.completion import last_finished
from .place.counting import said_by
from .place.record import JobRecord
from .place.stores import PRIVATE, Store
from .sources import Source, tar

FILE = "report.html"
PAGE = f"{PRIVATE}/{FILE}"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Whole:
    """A page, and the figures that the next job of the stage is held against."""

    page: str
    kept: Kept


def keep(registry: Registry, store: Store, run_id: str | None, say: Say) -> None:
    """Write the page and its figures beside the output, and log both to the job's run, if it has one.

    What was scored is scored: where no page can be made, a line says why, and the job ends as it would.
    """
    try:
        whole = made(registry, store)
        files = {FILE: whole.page.encode(), figures.FILE: json.dumps(whole.kept.document()).encode()}
        for name, content in files.items():
            store.put(f"{PRIVATE}/{name}", content)
        if run_id is None:
            return
        with tempfile.TemporaryDirectory(prefix="stagewright-report-") as folder:
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
            registry.log_files(run_id, folder)
    except (OSError, JobError, RegistryError) as error:
        say(f"The report could not be made or recorded: {error}. `stagewright report OUTPUT` makes it again.")


def made(registry: Registry, store: Store) -> Whole:
    """The page and the figures of what is at a store now.

    Raises InputError where there is no job's output, or it cannot be read.
    """
    known = record.read(store)
    if known is None:
        raise InputError(
            f"{store.root!r} is no output of a scoring job; name a folder that `score` has begun."
        )
    try:
        return _whole(registry, store, known)
    except (pa.ArrowException, FileNotFoundError, KeyError) as error:
        raise InputError(
            f"What is in {store.root!r} cannot be read as predictions: {first_line(error)}."
        ) from error


def _whole(registry: Registry, store: Store, known: JobRecord) -> Whole:
    names = files_of(store, known)
    rows = gathered(store, names)
    asked = _Asked.of(registry, store, known)
    finished, plans = last_finished(store), plan.all_of(store)
    times = _times(store, names)
    kept = _kept(store, known, asked, Figures.of(rows, times))
    shown = _pictures(known, rows)
    job = ScoringJob(
        title=f"{known.model_name} version {known.model_version}: {Path(store.root).name}",
        stage=asked.stage,
        facts=_facts(store, known, asked),
        finished=finished.through > 0 and all(each.number <= finished.through for each in plans),
        planned=plan.known_rows(plans) if known.source["format"] != tar.FORMAT else None,
        rows=rows,
        times=times,
        pictures=shown.by_key,
        no_pictures=shown.missing,
        since=earlier.since(registry, asked.run, kept),
    )
    return Whole(scoring_page(job), kept)


def _kept(store: Store, known: JobRecord, asked: "_Asked", figures: Figures) -> Kept:
    """What there is now, and what there was when the command before ended."""
    run_id = asked.run.run_id if asked.run else _last_run(store)
    before = earlier.kept_at(store)
    if before is not None and before.run_id == run_id:
        basis = before.before
    else:
        basis = before.figures if before and before.job == known.job else None
    name, number = known.model_name, known.model_version
    return Kept(run_id, known.job, name, number, asked.stage or "", figures, basis)


def _pictures(known: JobRecord, rows: Rows) -> Pictures:
    photos = [*rows.sampled, *rows.least_confident]
    if rows.key != "path":
        return pictures(Source("", "table"), ())
    source = Source(known.source["path"], known.source["format"], known.source["follow_links"])
    return pictures(source, [photo.key for photo in photos], known.options.get("max_pixels"))


def files_of(store: Store, known: JobRecord) -> list[str]:
    """The Parquet files that an output's readers read now."""
    if known.output_format == delta.FORMAT:
        return delta.files(store)
    return [name for name in store.names() if name.endswith(".parquet") and not name.startswith(("_", "."))]


def _times(store: Store, names: list[str]) -> Times:
    chunks = (timing.chunk_of(said) for said in said_by(store, names))
    return timing.times((chunk for chunk in chunks if chunk), runs.began(store))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the registry knows of a job's version and last run; `fault`: why it does not."""

    version: ModelVersion | None = None
    run: Run | None = None
    fault: str = ""

    @classmethod
    def of(cls, registry: Registry, store: Store, known: JobRecord) -> "_Asked":
        try:
            version = registry.resolve(known.pinned_uri)
            return cls(version, _run(registry, _last_run(store)))
        except RegistryError as error:
            return cls(fault=str(error))

    @property
    def stage(self) -> str | None:
        return self.run.tags.get(RUN_STAGE) if self.run else None


def _run(registry: Registry, run_id: str) -> Run | None:
    """None where it is no run that the registry has: the job made none, or somebody has deleted it."""
    with suppress(RunNotFound):
        return registry.run(run_id) if run_id else None
    return None


def _last_run(store: Store) -> str:
    began = runs.began(store)
    return max(began, key=began.__getitem__) if began else last_finished(store).run_id


def _facts(store: Store, known: JobRecord, asked: _Asked) -> Any:
    options = {name: value for name, value in known.options.items() if value is not None}
    return facts(
        [
            ("model", f"{known.pinned_uri}, asked for as {known.requested}"),
            ("stage at the time", asked.stage),
            ("begun", known.started_at),
            *ran.of_run(asked.run),
            *ran.of_version(asked.version),
            ("manifest digest", known.digest),
            ("input", f"{known.source['path']} ({known.source['format']})"),
            ("output", f"{store.root} ({known.output_format}), job {known.job}"),
            *((f"option {name}", _option(value)) for name, value in options.items()),
            ("the registry", asked.fault),
        ]
    )


def _option(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
