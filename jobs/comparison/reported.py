"""The page of a comparison, from its run and the table that it wrote."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from registry import ModelVersion, Registry, RegistryError, Run

from ..errors import InputError, JobError, first_line
from ..reporting.cards import Answer, Card
from ..reporting.comparison_page import Change, Compared, Side, comparison_page
from ..reporting.page import facts
from ..scoring import ran
from ..scoring.pictured import pictures
from ..scoring.place.stores import PRIVATE, Store, store_at
from ..scoring.sources import Source
from .figures import RUN
from .gathering import Answers, Asked, gathered

FILE = "report.html"
PAGE = f"{PRIVATE}/{FILE}"
_CHANGES = 30


def keep(registry: Registry, run: Run, source: Source, say: Callable[[str], None]) -> None:
    """Write the page beside the table and log it to `run`, which has its figures already.

    Where no page can be made, a line says why: what was found counts all the same.
    """
    try:
        page, store = made(registry, run, source)
        store.put(PAGE, page.encode())
        with tempfile.TemporaryDirectory(prefix="stagewright-report-") as folder:
            Path(folder, FILE).write_text(page, encoding="utf-8")
            registry.log_files(run.run_id, folder)
    except (OSError, JobError, RegistryError) as error:
        say(
            f"The page could not be made or recorded: {error}. `stagewright report {run.run_id}` makes it again."
        )


def run_of(store: Store) -> str | None:
    """The run whose comparison lies at a store; None where none does."""
    for name in sorted(_files(store)):
        try:
            with store.open(name) as file:
                table = pq.ParquetFile(file)
                if RUN not in table.schema_arrow.names:
                    return None
                for batch in table.iter_batches(1, columns=[RUN]):
                    return str(batch.column(RUN)[0].as_py())
        except pa.ArrowException:
            return None
    return None


def again(registry: Registry, run: Run) -> tuple[str, Store]:
    """As `made`, of a run that has ended."""
    return made(registry, run, Source(run.tags["input"]))


def made(registry: Registry, run: Run, source: Source) -> tuple[str, Store]:
    """HTML, and where the table lies. Raises InputError where that cannot be read from here."""
    output = run.tags["output"]
    store = store_at(output)
    names = _files(store) if store is not None else []
    if store is None or not names:
        raise InputError(f"The output of run {run.run_id}, {output!r}, is not to be found from here.")
    try:
        answers = gathered(store, names)
    except (pa.ArrowException, FileNotFoundError, KeyError) as error:
        raise InputError(
            f"What is in {output!r} cannot be read as a comparison: {first_line(error)}."
        ) from error
    versions = registry.resolve(run.tags["against"]), registry.model_of(run.run_id)
    return comparison_page(_compared(run, versions, source, answers)), store


def _files(store: Store) -> list[str]:
    return [name for name in store.names() if name.endswith(".parquet") and not name.startswith(("_", "."))]


def _compared(
    run: Run, versions: tuple[ModelVersion, ModelVersion], source: Source, answers: Answers
) -> Compared:
    a, b = versions
    both, one = answers.differing.rows, answers.one_sided.rows
    cards, one_sided = ([_card(row, answers.names) for row in rows] for rows in (both, one))
    # Only what was read well once is opened again; of those that one could not answer, that is not known.
    shown = pictures(source if answers.key == "path" else Source("", "table"), [card.path for card in cards])
    return Compared(
        title=f"{a.name} version {a.number} beside {b.name} version {b.number}",
        facts=facts(_facts(run, versions)),
        metrics=run.metrics,
        a=_side("a", a, answers),
        b=_side("b", b, answers),
        cards=cards,
        one_sided=one_sided,
        changes=[Change(*pair, count) for pair, count in answers.changes.most_common(_CHANGES)],
        all_changes=len(answers.changes),
        pictures=shown.by_key,
        no_pictures=shown.missing,
    )


def _side(name: str, version: ModelVersion, answers: Answers) -> Side:
    confidence = tuple(answers.confidence[name].tolist())
    return Side(f"{version.name} {version.number}", answers.statuses[name], confidence)


def _card(row: Asked, names: Mapping[int, str]) -> Card:
    answers = [_answer("a", row.a), _answer("b", row.b)]
    if row.truth is not None:
        answers.append(Answer("labelled", names.get(row.truth, f"class {row.truth}")))
    return Card(row.key, row.key, answers)


def _answer(whose: str, said: Mapping[str, object]) -> Answer:
    score = said["score"]
    return Answer(whose, str(said["label"] or said["status"]), score if isinstance(score, float) else None)


def _facts(run: Run, versions: Sequence[ModelVersion]) -> list[ran.Pair]:
    a, b = versions
    sides = [(f"a: {name}", value) for name, value in ran.of_version(a)]
    sides += [(f"b: {name}", value) for name, value in ran.of_version(b)]
    return [
        ("a", a.pinned_uri),
        ("b", f"{b.pinned_uri}, asked for as {run.tags['requested']}"),
        ("begun", f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC"),
        *ran.of_run(run),
        *sides,
        ("data set digest", run.tags.get("dataset_digest")),
        ("input", run.tags["input"]),
        ("output", run.tags["output"]),
    ]
