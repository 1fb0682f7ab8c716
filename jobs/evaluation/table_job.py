"""What evaluation and comparison of versions that take columns have in common: a table, and its rows' answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from registry import ModelVersion, Registry, Use

from ..scoring import batch, udf
from ..scoring.options import ScoreOptions
from ..scoring.sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class TableJob:
    """The rows of `source`, and how they are asked about. `answer`: which output counts, where there are several.

    The figures are not signed: a foreign version has no manifest that says which files they are of.
    """

    source: Source
    answer: str | None = None
    dataset: str | None = None
    options: ScoreOptions = field(default_factory=ScoreOptions)
    max_error_rate: float = batch.DEFAULT_MAX_ERROR_RATE
    experiment: str | None = None


def fields_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a TableJob, from the options of a command by their names."""
    return {
        "source": Source(given["input_path"], given["input_format"]),
        "options": batch.options_of(given),
        **{name: given[name] for name in ("answer", "dataset", "max_error_rate", "experiment")},
    }


def checked(registry: Registry, version: ModelVersion, job: TableJob) -> tuple[udf.Subject, list[str]]:
    """A version that takes columns, ready to be asked, and the names of its outputs.

    Raises InputError or registry.RegistryError.
    """
    subject = udf.checked(registry, version, replace(job.options, use=Use.EVALUATION))
    assert subject.signature is not None
    return subject, [str(each.name) for each in subject.signature.outputs.inputs]


def digest_of(row: Column) -> Column:
    """The line that a row adds to the data set's digest."""
    return F.sha2(F.to_json(row), 256)
