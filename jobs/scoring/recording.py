"""A job of any kind as an MLflow run."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from registry import ModelVersion, Outcome, Registry, RunStatus

EXPERIMENT = "stagewright-jobs"
EXPERIMENT_VARIABLE = "MLFLOW_EXPERIMENT_NAME"


@dataclass(slots=True)
class Recording:
    """A run that is going on, and what it has to say so far."""

    run_id: str
    outcome: Outcome = field(default_factory=Outcome)


@contextmanager
def recorded(
    registry: Registry, version: ModelVersion, name: str, tags: Mapping[str, str], experiment: str | None
) -> Iterator[Recording]:
    """The run of what is done inside, which ends with it; whatever interrupts that, the run says FAILED."""
    recording = Recording(registry.start_run(experiment_of(experiment), name, tags, version))
    try:
        yield recording
    except BaseException:
        registry.finish_run(recording.run_id, replace(recording.outcome, status=RunStatus.FAILED))
        raise
    registry.finish_run(recording.run_id, recording.outcome)


def experiment_of(given: str | None) -> str:
    """Where a job's run goes."""
    return given or os.environ.get(EXPERIMENT_VARIABLE) or EXPERIMENT
