"""What a page says of a version and of a run: who, where, with which bytes."""

from collections.abc import Iterator

from registry import ModelVersion, Run
from registry.tags import MLFLOW_USER, RUN_HOST

Pair = tuple[str, object]


def of_version(version: ModelVersion | None) -> Iterator[Pair]:
    """What it is; nothing, where it is not known."""
    if version is None:
        return
    yield "kind", version.kind
    yield "architecture", version.architecture
    yield "model digest", version.model_digest
    yield from ((f"tag {key}", value) for key, value in sorted(version.user_tags.items()))


def of_run(run: Run | None) -> Iterator[Pair]:
    """Whose it was, and where; nothing, where it is not known."""
    if run is None:
        return
    yield "by", run.tags.get(MLFLOW_USER)
    yield "on", run.tags.get(RUN_HOST)
    yield "run", run.run_id
