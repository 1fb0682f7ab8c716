"""The page of a job of any kind, made again."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from registry import JobKind, Registry, Run
from registry.tags import RUN_JOB

from .comparison import reported as of_comparison
from .errors import InputError
from .evaluation import kept as of_evaluation
from .scoring import outputs
from .scoring import reported as of_scoring
from .scoring.place import record
from .scoring.place.stores import Store, store_at

FILE = "report.html"
_RUN = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Made:
    """A page, where it was written, and of which output or run it is."""

    page: str
    at: str
    output: str


def report(registry: Registry, asked: str, into: str | None = None) -> Made:
    """The page of an output, or of a run; written to where its job wrote it, or to the file `into`.

    Raises InputError where `asked` is neither, JobFailed where the page cannot be written; registry.RegistryError.
    """
    store = store_at(asked)
    if store is not None and record.read(store) is not None:
        return _beside(store, of_scoring.made(registry, store).page, of_scoring.PAGE, into)
    run_id = of_comparison.run_of(store) if store is not None else None
    if run_id is None and not _RUN.fullmatch(asked):
        raise InputError(
            f"{asked!r} is no output of a scoring job, or of a comparison, and no id of a run; name a folder that "
            "`score` has begun."
        )
    return _of_run(registry, registry.run(run_id or asked), into)


def _of_run(registry: Registry, run: Run, into: str | None) -> Made:
    kind = run.tags.get(RUN_JOB)
    try:
        if kind == JobKind.EVALUATION:
            return _into_run(registry, run, of_evaluation.again(registry, run), into)
        if kind == JobKind.COMPARISON:
            page, place = of_comparison.again(registry, run)
            return _beside(place, page, of_comparison.PAGE, into)
    except KeyError as error:
        raise InputError(
            f"Run {run.run_id} says {run.status} and has no {error}, which its page tells; run its job again."
        ) from error
    store = _output(run)
    return _beside(store, of_scoring.made(registry, store).page, of_scoring.PAGE, into)


def _output(run: Run) -> Store:
    output = run.tags.get("output")
    store = store_at(output) if output else None
    if store is None or record.read(store) is None:
        raise InputError(
            f"The output of run {run.run_id}, {output!r}, is not to be found from here. If its job made a report, that "
            f"is among the run's artifacts: {FILE}."
        )
    return store


def _beside(store: Store, page: str, name: str, into: str | None) -> Made:
    if into is not None:
        return Made(page, _write(Path(into), page), store.root)
    with outputs.writable(store):
        store.put(name, page.encode())
    return Made(page, f"{store.root}/{name}", store.root)


def _into_run(registry: Registry, run: Run, page: str, into: str | None) -> Made:
    output = f"runs:/{run.run_id}"
    if into is not None:
        return Made(page, _write(Path(into), page), output)
    with tempfile.TemporaryDirectory(prefix="stagewright-report-") as folder:
        _write(Path(folder, FILE), page)
        registry.log_files(run.run_id, folder)
    return Made(page, f"{output}/{FILE}", output)


def _write(into: Path, page: str) -> str:
    try:
        into.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"The report cannot be written to {str(into)!r}: {error.strerror}.") from error
    return str(into)
