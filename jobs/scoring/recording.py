"""A job of any kind as an MLflow run."""

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from registry import (
    ModelVersion,
    Outcome,
    Registry,
    RegistryError,
    RegistryUnreachable,
    RunNotFound,
    RunStatus,
)
from registry.tag_values import warn

EXPERIMENT = "stagewright-jobs"
EXPERIMENT_VARIABLE = "MLFLOW_EXPERIMENT_NAME"
RUN_VARIABLE = "MLFLOW_RUN_ID"


class Keeper(Protocol):
    """Where what a run has to say stays until the registry can be told."""

    def keep(self, run_id: str, outcome: Outcome) -> None:
        """For a later command, which gives it to `complete`."""


@dataclass(slots=True)
class Recording:
    """A run that is going on, and what it has to say so far."""

    run_id: str
    outcome: Outcome = field(default_factory=Outcome)


@contextmanager
def recorded(
    registry: Registry,
    version: ModelVersion,
    name: str,
    tags: Mapping[str, str],
    experiment: str | None,
    keeper: Keeper | None = None,
) -> Iterator[Recording]:
    """The run of what is done inside, which ends with it: FAILED where that fails, KILLED where it is interrupted.

    Where MLFLOW_RUN_ID names a run, it is that one; as MLflow has it, once in a process. Where the registry cannot be
    told at the end, what was done is done all the same: one line says so, and `keeper` gets the outcome. Raises
    registry.RunRefused where these credentials may have no run there.
    """
    end_abandoned(registry, experiment)
    recording = Recording(_begun(registry, version, name, tags, experiment))
    try:
        yield recording
    except BaseException as error:
        status = RunStatus.FAILED if isinstance(error, Exception) else RunStatus.KILLED
        recording.outcome = replace(recording.outcome, status=status)
        if isinstance(error, RegistryUnreachable):  # to wait for it once more would tell nobody anything
            _keep(recording, keeper)
        else:
            _finish(registry, recording, keeper)
        raise
    _finish(registry, recording, keeper)


@contextmanager
def unrecorded() -> Iterator[Recording]:
    """What is done inside has no run: its rows carry an id that no registry knows."""
    yield Recording(uuid.uuid4().hex)


def complete(registry: Registry, kept: Iterable[tuple[str, Outcome]]) -> Iterator[str]:
    """Tell the registry what a `Keeper` has, pairs of run and outcome; gives each run that nobody has to keep any more.

    A run that was deleted meanwhile is one of them. Raises RegistryError where the registry cannot be told now either.
    """
    for run_id, outcome in kept:
        with suppress(RunNotFound):
            registry.finish_run(run_id, outcome)
        yield run_id


def end_abandoned(registry: Registry, experiment: str | None) -> None:
    """End the runs that say RUNNING though their process on this machine is gone; whoever may not do that does not."""
    with suppress(RegistryError):
        for run_id in registry.end_abandoned_runs(experiment_of(experiment)):
            warn(f"Run {run_id} said RUNNING, but its process is gone: it says KILLED from now on.")


def experiment_of(given: str | None) -> str:
    """Where a job's run goes."""
    return given or os.environ.get(EXPERIMENT_VARIABLE) or EXPERIMENT


def _begun(
    registry: Registry, version: ModelVersion, name: str, tags: Mapping[str, str], experiment: str | None
) -> str:
    if run_id := os.environ.get(RUN_VARIABLE):
        found = registry.resume_run(run_id, tags, version, experiment)
        del os.environ[RUN_VARIABLE]
        return found
    return registry.start_run(experiment_of(experiment), name, tags, version)


def _finish(registry: Registry, recording: Recording, keeper: Keeper | None) -> None:
    try:
        registry.finish_run(recording.run_id, recording.outcome)
    except RegistryError as error:
        warn(str(error))
        _keep(recording, keeper)


def _keep(recording: Recording, keeper: Keeper | None) -> None:
    run, outcome = recording.run_id, replace(recording.outcome, ended_at=datetime.now(UTC))
    if keeper is None:
        warn(
            f"What run {run} has to say could not be recorded: it says RUNNING until the next command on this host."
        )
        return
    keeper.keep(run, outcome)
    warn(
        f"What run {run} has to say could not be recorded: it is kept, and the next command completes the record."
    )
