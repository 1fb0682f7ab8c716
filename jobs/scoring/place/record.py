"""What an output remembers: the version whose answers it holds, the options that change them, and the source."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from registry import ModelVersion

from ...errors import InputError
from ..options import ScoreOptions
from ..sources import Source
from .stores import PRIVATE, Store

JOB = f"{PRIVATE}/job.json"
SCHEMA = f"{PRIVATE}/schema.json"
FORMAT = 1
# How each is given, for whoever has to change it back.
_OPTIONS: Mapping[str, str] = {
    "precision": "--precision",
    "decode": "--decode",
    "top_k": "--top-k",
    "max_pixels": "--max-pixels",
    "content_column": "--content-column",
    "keep": "--keep",
    "label_as": "label_as",
    "quarantine": "--quarantine",
    "path_column": "--path-column",
    "path_roots": "--path-root",
    "max_bytes": "--max-bytes",
}
_SOURCE: Mapping[str, str] = {"path": "--input", "format": "--input-format", "follow_links": "--follow-links"}


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job, from its first command to its last. `job`: 8 hexadecimal digits, which its files' names carry.

    `digest` is that of the manifest, by which the version's bytes were verified; `requested` is how it was asked for.
    """

    job: str
    requested: str
    model_name: str
    model_version: int
    digest: str
    output_format: str
    options: Mapping[str, Any]
    source: Mapping[str, Any]
    started_at: str
    format: int = FORMAT

    @property
    def pinned_uri(self) -> str:
        """The version that was meant when the job began."""
        return f"models:/{self.model_name}/{self.model_version}"


def said_of(options: ScoreOptions, source: Source) -> dict[str, dict[str, Any]]:
    """The fields `options` and `source` of a record."""
    known = asdict(options) | {"keep": list(options.keep), "path_roots": list(options.path_roots) or None}
    return {
        "options": {name: known.get(name) for name in _OPTIONS},
        "source": {name: getattr(source, name) for name in _SOURCE},
    }


def read(store: Store) -> JobRecord | None:
    """The record of what lies at a store; None where nothing does. Raises InputError on one that cannot be read."""
    found = store.read(JOB)
    if found is None:
        return None
    try:
        said = json.loads(found)
        if said["format"] != FORMAT:
            raise InputError(
                f"{store.root!r} was begun by a stagewright that keeps records of format {said['format']}; "
                f"this one reads format {FORMAT}. Use that stagewright, or name another output."
            )
        return JobRecord(**{field.name: said[field.name] for field in fields(JobRecord)})
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{JOB} in {store.root!r} is no record of a job ({error}). Name another output."
        ) from error


def begin(store: Store, record: JobRecord) -> None:
    """Remember a job. Raises InputError where somebody else's has begun there meanwhile."""
    with store.unfinished() as file:
        file.write_text(json.dumps(asdict(record), indent=2, sort_keys=True))
        if not store.put_new(JOB, file):
            raise InputError(f"Another job has just begun in {store.root!r}. Run the command again.")


def differences(record: JobRecord, version: ModelVersion | None, now: Mapping[str, Any]) -> Iterator[str]:
    """What a command asks for that the output was not begun with, each in words.

    `version` None: the one that the job was begun with. `now` holds `options`, `source` and `output_format`.
    """
    if version is not None and version.number != record.model_version:
        yield f"version {record.model_version} and not {version.number}"
    if now["output_format"] != record.output_format:
        yield f"--output-format {record.output_format} and not {now['output_format']}"
    for part, names in (("options", _OPTIONS), ("source", _SOURCE)):
        before: Mapping[str, Any] = getattr(record, part)
        for name, option in names.items():
            if before.get(name) != now[part][name]:
                yield f"{option} {_shown(before.get(name))} and not {_shown(now[part][name])}"


def remember_schema(store: Store, schema: str) -> None:
    """The columns of what is written, as Spark's JSON."""
    if store.read(SCHEMA) is None:
        store.put(SCHEMA, schema.encode())


def check_schema(store: Store, schema: str) -> None:
    """Raises InputError where what was written before has other columns."""
    known = store.read(SCHEMA)
    if known is not None and json.loads(known) != json.loads(schema):
        raise InputError(
            f"The rows in {store.root!r} have other columns than those of this command: "
            f"{_columns(known.decode())} and not {_columns(schema)}. Name another output, or say --follow."
        )


def _columns(schema: str) -> str:
    return ", ".join(
        f"{field['name']} {json.dumps(field['type'])}"
        for field in json.loads(schema)["fields"]
        if field["name"] not in ("error", "scored_at", "scoring_run_id")
    )


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "none" if value is None else str(value)
