"""The page of a scoring job: made from its output and the output's own record, also of one that still grows."""

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from registry import ModelVersion, Registry, RegistryError, Run
from registry.tags import MLFLOW_USER, RUN_HOST, RUN_STAGE

from ..errors import InputError, JobError
from ..reporting import timing
from ..reporting.gathering import Photo, Rows, gathered
from ..reporting.page import facts
from ..reporting.scoring_page import ScoringJob, scoring_page
from ..reporting.thumbnails import thumbnails
from ..reporting.timing import Times
from ..spark import local_reading
from . import outputs
from .place import delta, plan, record, runs
from .place.counting import said_by
from .place.record import JobRecord
from .place.stores import PRIVATE, Store, store_at
from .place.work import last_finished
from .sources import IMAGES
from .sources.local_files import folder_of

FILE = "report.html"
PAGE = f"{PRIVATE}/{FILE}"
MAX_PIXELS = 89_478_485
_RUN = re.compile("[0-9a-f]{32}")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Made:
    """A page, where it was written, and of which output it is."""

    page: str
    at: str
    output: str


def report(registry: Registry, asked: str, into: str | None = None) -> Made:
    """The page of an output, or of the output of a run; written to PAGE there, or to the file `into`.

    Raises InputError where `asked` is neither, JobFailed where the page cannot be written; registry.RegistryError.
    """
    store = _store(registry, asked)
    page = made(registry, store)
    if into is None:
        with outputs.writable(store):
            store.put(PAGE, page.encode())
    else:
        _write(Path(into), page)
    return Made(page, into or f"{store.root}/{PAGE}", store.root)


def _store(registry: Registry, asked: str) -> Store:
    store = store_at(asked)
    if store is not None and record.read(store) is not None:
        return store
    if not _RUN.fullmatch(asked):
        raise InputError(
            f"{asked!r} is no output of a scoring job, and no id of a run; name a folder that `score` has begun."
        )
    output = registry.run(asked).tags.get("output")
    store = store_at(output) if output else None
    if store is None or record.read(store) is None:
        raise InputError(
            f"The output of run {asked}, {output!r}, is not to be found from here. If its job made a report, that is "
            f"among the run's artifacts: {FILE}."
        )
    return store


def _write(into: Path, page: str) -> None:
    try:
        into.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"The report cannot be written to {str(into)!r}: {error.strerror}.") from error


def keep(registry: Registry, store: Store, run_id: str, say: Say) -> None:
    """Write the page beside the output, and log it to the job's run.

    What was scored is scored: where no page can be made, a line says why, and the job ends as it would.
    """
    try:
        page = made(registry, store)
        store.put(PAGE, page.encode())
        with tempfile.TemporaryDirectory(prefix="stagewright-report-") as folder:
            Path(folder, FILE).write_text(page, encoding="utf-8")
            registry.log_files(run_id, folder)
    except (OSError, JobError, RegistryError) as error:
        say(f"The report could not be made or recorded: {error}. `stagewright report OUTPUT` makes it again.")


def made(registry: Registry, store: Store) -> str:
    """The page of what is at a store now. Raises InputError where no job's output is, or it cannot be read."""
    known = record.read(store)
    if known is None:
        raise InputError(
            f"{store.root!r} is no output of a scoring job; name a folder that `score` has begun."
        )
    try:
        return scoring_page(_job(registry, store, known))
    except (pa.ArrowException, FileNotFoundError, KeyError) as error:
        what = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"What is in {store.root!r} cannot be read as predictions: {what}.") from error


def _job(registry: Registry, store: Store, known: JobRecord) -> ScoringJob:
    names = files_of(store, known)
    rows = gathered(store, names)
    asked = _Asked.of(registry, store, known)
    finished, plans = last_finished(store), plan.all_of(store)
    photos = [*rows.sampled, *rows.least_confident]
    pictures, why = _pictures(known, rows, photos)
    return ScoringJob(
        title=f"{known.model_name} version {known.model_version}: {Path(store.root).name}",
        stage=asked.stage,
        facts=_facts(store, known, asked),
        finished=finished.through > 0 and all(each.number <= finished.through for each in plans),
        planned=sum(each.rows for each in plans) if not any(each.split for each in plans) else None,
        rows=rows,
        times=_times(store, names),
        pictures=pictures,
        no_pictures=why,
    )


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
            run_id = _last_run(store)
            return cls(version, registry.run(run_id) if run_id else None)
        except RegistryError as error:
            return cls(fault=str(error))

    @property
    def stage(self) -> str | None:
        return self.run.tags.get(RUN_STAGE) if self.run else None


def _last_run(store: Store) -> str:
    began = runs.began(store)
    return max(began, key=began.__getitem__) if began else last_finished(store).run_id


def _facts(store: Store, known: JobRecord, asked: _Asked) -> Any:
    version, run = asked.version, asked.run
    tags: Mapping[str, str] = run.tags if run else {}
    own = version.user_tags if version else {}
    options = {name: value for name, value in known.options.items() if value is not None}
    return facts(
        [
            ("model", f"{known.pinned_uri}, asked for as {known.requested}"),
            ("stage at the time", asked.stage),
            ("begun", known.started_at),
            ("by", tags.get(MLFLOW_USER)),
            ("on", tags.get(RUN_HOST)),
            ("run", run.run_id if run else None),
            ("kind", version.kind if version else None),
            ("architecture", version.architecture if version else None),
            ("model digest", version.model_digest if version else None),
            ("manifest digest", known.digest),
            *((f"tag {key}", value) for key, value in sorted(own.items())),
            ("input", f"{known.source['path']} ({known.source['format']})"),
            ("output", f"{store.root} ({known.output_format}), job {known.job}"),
            *((f"option {name}", _option(value)) for name, value in options.items()),
            ("the registry", asked.fault),
        ]
    )


def _option(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _pictures(known: JobRecord, rows: Rows, photos: list[Photo]) -> tuple[Mapping[str, str], str]:
    """Thumbnails by key, and why some are missing. Only photos that were read well once are opened again."""
    if known.source["format"] != IMAGES or rows.key != "path":
        return {}, "The photos themselves are not files that this page could show: they came from a table."
    inside = _inside(known)
    content = local_reading.content()

    def read(key: str) -> bytes | None:
        path = re.sub("^file:/*", "/", key)
        below = path.startswith(inside) and "/../" not in path and "\0" not in path
        return content(path.encode()) if below else None

    found = thumbnails((photo.key for photo in photos), read, known.options.get("max_pixels") or MAX_PIXELS)
    missing = len({photo.key for photo in photos} - found.keys())
    return found, f"{missing:,} of those shown cannot be read from here any more." if missing else ""


def _inside(known: JobRecord) -> str:
    """What the paths of photos begin with, which others may have written; links may lead anywhere if asked for."""
    path = re.sub("^file:/*", "/", str(known.source["path"]))
    if known.source["follow_links"]:
        return "/"
    root = Path(path).absolute()
    return f"{str(root).rstrip('/')}/" if root.is_dir() else folder_of(str(root)).rstrip("/") + "/"
