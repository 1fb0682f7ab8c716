"""`gates.toml`: one table a stage, each typo told at once, before anything is asked of a registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from registry.errors import UserError
from registry.evidence import checked_dataset
from registry.gates.comparing import MCNEMAR_P, Compared
from registry.gates.facts import NoPickle, SameSchema, Signed, Tagged
from registry.gates.figures import Bound, Change, Floor, Fresh, Photos, Precisions
from registry.gates.gate import LEDGER_CHARS, Gate, Judges
from registry.signing import PublicKey
from registry.toml_tables import Table
from registry.versions import Stage

STAGES = (Stage.STAGING, Stage.PRODUCTION)
# As long as an author of MLflow metrics would write one.
MAX_METRIC_CHARS = 60
MIN_DIGEST_CHARS = 8


@dataclass(frozen=True, slots=True)
class Gates:
    """What each stage asks for."""

    DEFAULT_FILE: ClassVar[str] = "gates.toml"

    stages: Mapping[Stage, Judges]

    @classmethod
    def load(cls, file: Path | str = "gates.toml") -> Gates:
        """Read a file of gates; docs/gates.md has all of its keys.

        Raises UserError, which names file, table and key: on what is unknown or has the wrong shape, and on
        more gates in a stage than one event of the ledger can hold the verdicts of.
        """
        whole = Table.load(Path(file))
        known = ", ".join(stage.value for stage in STAGES)
        stages: dict[Stage, Judges] = {}
        for key in whole.keys:
            stage = next((stage for stage in STAGES if stage.value == key), None)
            table = whole.table(key) if stage else None
            if stage is None or table is None:
                raise whole.wrong(key, f"is no stage with gates; there are {known}")
            stages[stage] = _fitting(table, Judges(tuple(_gates(table))))
        return cls(stages)

    def of(self, stage: Stage | str) -> Judges:
        """The judge of a stage; one without gates where the file does not mention it."""
        return self.stages.get(Stage.parse(stage), Judges(()))


def _gates(table: Table) -> Iterator[Gate]:
    for metric in table.tables("metrics"):
        yield from _of_metric(metric)
    for evidence in table.tables("evidence"):
        yield Fresh(_photos(evidence), evidence.number("max_age_days", low=0))
        evidence.finish()
    for comparison in table.tables("comparisons"):
        yield from _of_comparison(comparison)
    if precisions := table.table("precisions"):
        yield _precisions(precisions)
    if schema := table.text("schema", one_of=("same", "additions")):
        yield SameSchema(additions=schema == "additions")
    if tags := table.table("tags"):
        yield from _of_tags(tags)
    if table.flag("no_pickle"):
        yield NoPickle()
    yield from _signed(table)
    table.finish()


def _signed(table: Table) -> Iterator[Gate]:
    files = table.words("public_keys")
    if table.flag("signed"):
        if not files:
            raise table.wrong("signed", "needs public_keys, files beside this one such as ['release.pem']")
        folder = Path(table.file).parent
        yield Signed(tuple(PublicKey.read(folder / file) for file in files))
    elif files:
        raise table.wrong("public_keys", "is of use only with signed = true")


def _of_metric(table: Table) -> Iterator[Gate]:
    metric, photos = table.needed_text("metric"), _photos(table)
    if len(metric) > MAX_METRIC_CHARS:
        raise table.wrong("metric", f"has more than {MAX_METRIC_CHARS} characters: {metric!r}")
    greater = table.flag("greater_is_better", default=True)
    threshold = table.number("threshold")
    bounds = {
        "min_absolute_change": table.number("min_absolute_change", low=0),
        "min_relative_change": table.number("min_relative_change", low=0, high=1),
        "max_drop": table.number("max_drop", low=0),
    }
    table.finish()
    asked = [Bound(name, amount) for name, amount in bounds.items() if amount is not None]
    for bound in asked:
        if bound.amount == 0 and bound.name != "max_drop":
            raise table.wrong(bound.name, "must be above 0; for `not worse` write max_drop = 0")
    if threshold is None and not asked:
        raise table.wrong("metric", f"{metric!r} is asked for nothing; give threshold, {', '.join(bounds)}")
    if threshold is not None:
        yield Floor(metric, photos, threshold, greater)
    for bound in asked:
        yield Change(metric, photos, bound, greater)


def _of_comparison(table: Table) -> Iterator[Gate]:
    dataset, age = _dataset(table), table.number("max_age_days", low=0)
    bounds = {
        "agreement": table.number("min_agreement", low=0, high=1),
        MCNEMAR_P: table.number("not_worse_p", low=0, high=1),
    }
    table.finish()
    asked = [(metric, bound) for metric, bound in bounds.items() if bound is not None]
    if not asked:
        raise table.wrong("dataset", f"{dataset!r} is asked for nothing; give min_agreement or not_worse_p")
    for metric, bound in asked:
        yield Compared(metric, bound, dataset, age)


def _precisions(table: Table) -> Gate:
    bound, only = table.number("min_agreement", low=0, high=1), table.words("only")
    table.finish()
    if bound is None:
        raise table.wrong("min_agreement", "is missing")
    return Precisions(bound, only)


def _of_tags(table: Table) -> Iterator[Gate]:
    for key, value in table.items():
        if value is True:
            yield Tagged(key)
        elif isinstance(value, str) and value:
            yield Tagged(key, value)
        else:
            raise table.wrong(key, f"is neither true (the tag is there) nor a value: {value!r}")


def _photos(table: Table) -> Photos:
    digest = table.text("digest") or ""
    if digest and len(digest) < MIN_DIGEST_CHARS:
        raise table.wrong("digest", f"{digest!r} is shorter than {MIN_DIGEST_CHARS} characters")
    return Photos(_dataset(table), table.text("precision") or "f32", digest)


def _dataset(table: Table) -> str:
    try:
        return checked_dataset(table.needed_text("dataset"))
    except UserError as fault:
        raise UserError(f"{table.where} {fault.message}") from None


def _fitting(table: Table, judges: Judges) -> Judges:
    if judges.ledger_chars > LEDGER_CHARS:
        raise UserError(
            f"{table.where} has {len(judges.gates)} gates, whose verdicts take {judges.ledger_chars} characters; "
            f"one event of the ledger keeps {LEDGER_CHARS}.",
            "Ask for less: about 12 gates fit, each with short names.",
        )
    return judges
