"""What a command means for an output that is there: go on, or no, and why."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from registry import ModelVersion, Refusal, Registry, RegistryError

from ...errors import InputError
from . import plan, record
from .completion import last_finished
from .record import JobRecord
from .stores import Store


@dataclass(frozen=True, slots=True)
class Meaning:
    """The version that a job is done with. `record`: None where it begins now; `line`: what is to be said about it."""

    version: ModelVersion
    record: JobRecord | None = None
    line: str | None = None


def meaning(registry: Registry, store: Store, requested: str, now: dict[str, Any]) -> Meaning:
    """What `requested`, with the options, source and output format `now`, means for what is at `store`.

    A job that is not finished goes on with the version that it was begun with, whatever has been promoted since. Raises
    InputError where the output holds something else, or what is no job's output; registry.RegistryError.
    """
    begun = record.read(store)
    if begun is None:
        if not store.is_free():
            raise InputError(
                f"There is something at {store.root!r} already that no job of stagewright has begun; "
                "name a folder that does not exist."
            )
        return Meaning(registry.resolve(requested))
    return _of_begun(registry, store, begun, requested, now)


def check_meant(store: Store, found: Meaning, version: ModelVersion) -> None:
    """Raises InputError where the output was begun with another version since this command was given `version`.

    Its name may have moved meanwhile, and another command may have begun, and ended, while this one's Spark started.
    """
    if found.record is None or found.record.digest == _digest(version):
        return
    if version.manifest_digest is None and version.number == found.record.model_version:
        raise InputError(
            f"The files of {version.pinned_uri} are others than those that {store.root!r} was begun with: somebody has "
            "changed them. Name another output."
        )
    if found.record is not None:
        raise InputError(
            f"Another command has just begun {store.root!r} with {found.version.pinned_uri}, and this one was to score "
            f"with {version.pinned_uri}. Run it again."
        )


def _of_begun(
    registry: Registry, store: Store, begun: JobRecord, requested: str, now: dict[str, Any]
) -> Meaning:
    asked = _resolved(registry, begun, requested)
    moved = asked is not None and asked.number != begun.model_version
    goes_on = moved and requested == begun.requested and not is_finished(store)
    differing = list(record.differences(begun, None if goes_on else asked, now))
    if differing or (asked is not None and asked.name != begun.model_name):
        raise InputError(
            f"{store.root!r} was begun with {begun.requested}, {'; '.join(differing) or begun.pinned_uri}. One output "
            "holds the answers of one version with one set of options: name another output, or say --follow to score "
            "all again beside it and then put that in its place."
        )
    version = asked if asked and not moved else registry.resolve(begun.pinned_uri)
    # Of what stagewright did not package, only its files can tell, once they are fetched: `check_meant`.
    if version.manifest_digest is not None and version.manifest_digest != begun.digest:
        raise InputError(
            f"{begun.pinned_uri} is another than the one that {store.root!r} was begun with. Name another output."
        )
    line = (
        f"{requested} is version {asked.number} by now; this job was begun with {begun.pinned_uri}"
        if goes_on and asked
        else None
    )
    return Meaning(version, begun, line)


def _resolved(registry: Registry, begun: JobRecord, requested: str) -> ModelVersion | None:
    """None where the stage is empty by now, which does not keep a job from going on."""
    try:
        return registry.resolve(requested)
    except Refusal:
        raise
    except RegistryError:
        if requested != begun.requested:
            raise
        return None


def is_finished(store: Store) -> bool:
    """Whether all that was planned is done."""
    plans = plan.all_of(store)
    return bool(plans) and last_finished(store).through >= max(each.number for each in plans)


def _digest(version: ModelVersion) -> str:
    """By which its bytes are known."""
    return version.manifest_digest or version.model_digest or ""


def new_record(requested: str, version: ModelVersion, now: dict[str, Any]) -> JobRecord:
    """Of a job that begins now."""
    return JobRecord(
        job=uuid.uuid4().hex[:8],
        requested=requested,
        model_name=version.name,
        model_version=version.number,
        digest=_digest(version),
        output_format=now["output_format"],
        options=now["options"],
        source=now["source"],
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
