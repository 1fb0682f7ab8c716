"""The last finished job of the same model and stage: its figures, and what has changed since."""

from dataclasses import dataclass

from registry import Registry, RegistryError, Run
from registry.tags import RUN_STAGE

from ..reporting.changes import Since, changes
from ..reporting.figures import FILE, MAX_BYTES, Kept
from .place.stores import PRIVATE, Store

# Newest first, until one has figures: those of a job that could not record them are passed over.
_LOOKED_AT = 5


def kept_at(store: Store) -> Kept | None:
    """The figures of the last command on an output that ended; None where there are none that can be read."""
    content = store.read(f"{PRIVATE}/{FILE}")
    try:
        return Kept.read(content) if content else None
    except ValueError:
        return None


def since(registry: Registry, run: Run | None, now: Kept) -> Since:
    """A job beside the last one. What the registry cannot say is said in words, and fails nothing."""
    if run is None:
        return Since(
            "The registry does not say which run this is, so there is no earlier job to hold it against."
        )
    stage = _stage(run)
    try:
        found = _last(registry, run)
    except RegistryError as error:
        return Since(f"What the last job of {stage} found cannot be read: {error}")
    if found is None:
        return Since(
            f"There is no finished job of {now.model_name} in {stage} before this one to hold it against."
        )
    before = found.kept.added
    if not (now.added.rows and before.rows):
        return Since(
            f"{_says(found, stage)} One of the two has no new photo, so there is nothing to hold against it."
        )
    return Since(_says(found, stage) + _only_added(now), changes(now.added, before))


@dataclass(frozen=True, slots=True)
class _Earlier:
    run: Run
    kept: Kept


def _last(registry: Registry, run: Run) -> _Earlier | None:
    for earlier in registry.jobs_before(run, _LOOKED_AT):
        content = registry.run_file(earlier.run_id, FILE, MAX_BYTES)
        try:
            kept = Kept.read(content) if content else None
        except ValueError:  # whoever may write to runs may have written it
            continue
        if kept is not None:
            return _Earlier(earlier, kept)
    return None


def _stage(run: Run) -> str:
    stage = run.tags.get(RUN_STAGE, "")
    return "no stage" if stage in ("", "None") else f"stage {stage}"


def _says(found: _Earlier, stage: str) -> str:
    kept = found.kept
    return (
        f"The last finished job of {kept.model_name} in {stage} began {found.run.started_at:%Y-%m-%d %H:%M} UTC: "
        f"version {kept.model_version}, {kept.added.rows:,} photos, run {found.run.run_id}."
    )


def _only_added(now: Kept) -> str:
    if now.before is None:
        return ""
    return f" Of this output, the {now.added.rows:,} photos that were added since are held against it."
