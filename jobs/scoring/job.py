"""What a scoring job is asked for."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError
from .options import ScoreOptions
from .sinks import Sink
from .sources import Source

DEFAULT_MAX_ERROR_RATE = 0.01
# Of ScoreOptions, as the command line calls them too.
_OPTIONS = (
    "content_column",
    "precision",
    "decode",
    "batch_size",
    "top_k",
    "max_pixels",
    "photo_timeout_s",
    "path_column",
    "max_bytes",
)


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """What to score with what, and where the predictions go. `max_error_rate`: see `run`.

    `quarantine`: a folder for the rows without a prediction once more, with the photos' bytes by `quarantine_bytes`.
    `follow`: where the output holds other answers than are asked for, all is scored again to take its place.
    `experiment`: where the run goes; by default MLFLOW_EXPERIMENT_NAME, else `stagewright-jobs`. `record`: whether
    there is one at all.
    """

    model: str
    source: Source
    sink: Sink
    options: ScoreOptions = field(default_factory=ScoreOptions)
    max_error_rate: float = DEFAULT_MAX_ERROR_RATE
    experiment: str | None = None
    follow: bool = False
    quarantine: str | None = None
    quarantine_bytes: bool = False
    record: bool = True


def from_options(uri: str, given: Mapping[str, Any]) -> ScoreJob:
    """The options of `stagewright score`, by their names."""
    return ScoreJob(
        model=uri,
        source=Source(given["input_path"], given["input_format"], given["follow_links"]),
        sink=sink_of(given),
        options=options_of(given),
        max_error_rate=given["max_error_rate"],
        experiment=given["experiment"],
        follow=given["follow"],
        quarantine=given["quarantine"],
        quarantine_bytes=given["quarantine_bytes"],
        record=not given["no_record"],
    )


def sink_of(given: Mapping[str, Any]) -> Sink:
    """Raises InputError unless there is one place to write to."""
    path, table = given["output_path"], given["output_table"]
    if (path is None) == (table is None):
        raise InputError("Predictions go to --output PATH or to --output-table NAME, one of them.")
    return Sink(
        path or table, given["output_format"], given["output_options"], given["partition_by"], path is None
    )


def options_of(given: Mapping[str, Any]) -> ScoreOptions:
    """What jobs of all kinds may choose, as far as `given` has it."""
    said = {name: given[name] for name in _OPTIONS if given.get(name) is not None}
    roots = tuple(map(_absolute, given.get("path_roots") or ()))
    addresses = given.get("path_column")
    keep = given.get("keep") or ((addresses,) if addresses else ScoreOptions().keep)
    allowed = bool(given.get("allow_foreign"))
    return ScoreOptions(**said, keep=keep, path_roots=roots, allow_foreign=allowed)


def _absolute(root: str) -> str:
    """A folder by its whole path, and an address as it is."""
    return root if ":" in root else os.path.abspath(root)  # noqa: PTH100 - links are followed by whoever reads
