"""The tags that tie a run to the version that it used, and to the stage that this stood in."""

from __future__ import annotations

from registry import tags
from registry.errors import RunNotFound
from registry.runs import JobKind, Run
from registry.versions import ModelVersion


def link(version: ModelVersion) -> dict[str, str]:
    """By which the runs of a version are found."""
    said = {tags.RUN_MODEL_NAME: version.name, tags.RUN_MODEL_VERSION: str(version.number)}
    return said | ({tags.RUN_MODEL_DIGEST: version.model_digest} if version.model_digest else {})


def of_job(version: ModelVersion | None) -> dict[str, str]:
    """What a job's run says when it begins; nothing where it is of no version."""
    return {**link(version), tags.RUN_STAGE: version.stage.value} if version else {}


def alike(run: Run) -> dict[str, str] | None:
    """What scoring jobs of a run's model and stage have; None where it does not say these."""
    wanted = {key: run.tags.get(key, "") for key in (tags.RUN_MODEL_NAME, tags.RUN_STAGE)}
    return {**wanted, tags.RUN_JOB: JobKind.SCORING} if all(wanted.values()) else None


def used_by(run: Run) -> tuple[str, int]:
    """Name and number of the version that a run used. Raises RunNotFound where it is no run of a version."""
    name, number = run.tags.get(tags.RUN_MODEL_NAME), run.tags.get(tags.RUN_MODEL_VERSION, "")
    if name is None or not (number.isascii() and number.isdigit() and len(number) < 19):
        raise RunNotFound(f"The run {run.run_id!r} used no model version.", "Give the run of a scoring job.")
    return name, int(number)
