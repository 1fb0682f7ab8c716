"""Runs and what they keep."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.validation import MAX_METRICS_PER_BATCH, MAX_PARAMS_TAGS_PER_BATCH

from registry.client.entities import run_of
from registry.client.faults import PRESENT, Faults
from registry.client.searching import pages, quoted
from registry.connection import Address
from registry.errors import RegistryFault, RunNotFound
from registry.runs import Outcome, Run

T = TypeVar("T")


class Runs:
    """The runs of one tracking server; every method raises what `Client`'s methods raise."""

    def __init__(self, mlflow: MlflowClient, faults: Faults, address: Address) -> None:
        self._mlflow = mlflow
        self._faults = faults
        self._address = address

    def start(self, experiment: str, name: str, said: Mapping[str, str]) -> str:
        """Begin a run in an experiment, which is made where it does not exist; gives the run's id."""
        with self._faults.calls():
            made = self._mlflow.create_run(
                self._experiment_id(experiment), run_name=name, tags=dict(said), start_time=_now_ms()
            )
        return str(made.info.run_id)

    def finish(self, run_id: str, outcome: Outcome) -> None:
        """Record what a run has to say and end it. Raises RunNotFound."""
        now = _now_ms()
        metrics = [Metric(key, float(value), now, 0) for key, value in outcome.metrics.items()]
        params = [Param(key, str(value)) for key, value in outcome.params.items()]
        run_tags = [RunTag(key, str(value)) for key, value in outcome.tags.items()]
        with self._faults.calls(absent=_no_run(run_id)):
            for part in _chunks(metrics, MAX_METRICS_PER_BATCH):
                self._mlflow.log_batch(run_id, metrics=part)
            for some in _chunks(params, MAX_PARAMS_TAGS_PER_BATCH):
                self._mlflow.log_batch(run_id, params=some)
            for few in _chunks(run_tags, MAX_PARAMS_TAGS_PER_BATCH):
                self._mlflow.log_batch(run_id, tags=few)
            self._mlflow.set_terminated(run_id, outcome.status.value)

    def get(self, run_id: str) -> Run:
        """One run. Raises RunNotFound."""
        with self._faults.calls(absent=_no_run(run_id)):
            return run_of(self._mlflow.get_run(run_id))

    def tagged(self, wanted: Mapping[str, str]) -> list[Run]:
        """The runs of all experiments that carry all these tags, newest first."""
        search = " and ".join(f"tags.`{key}` = {quoted(value)}" for key, value in wanted.items())
        with self._faults.calls():
            places = [
                found.experiment_id
                for found in pages(lambda token: self._mlflow.search_experiments(page_token=token))
            ]
            order = ["attributes.start_time DESC"]
            runs = pages(
                lambda token: self._mlflow.search_runs(places, search, order_by=order, page_token=token)
            )
            return [run_of(entity) for entity in runs]

    def log_files(self, run_id: str, directory: Path, place: str) -> None:
        """Upload a directory's files into a folder of a run's artifacts. Raises RunNotFound."""
        with self._faults.calls(absent=_no_run(run_id)):
            self._mlflow.get_run(run_id)
        with self._faults.transfers():
            self._mlflow.log_artifacts(run_id, str(directory), place)

    def _experiment_id(self, name: str) -> str:
        found = self._mlflow.get_experiment_by_name(name)
        if found is None:
            try:
                return str(
                    self._mlflow.create_experiment(name, artifact_location=self._address.artifacts_of(name))
                )
            except MlflowException as fault:
                if fault.error_code not in PRESENT:
                    raise
                found = self._mlflow.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage != "active":
            raise RegistryFault(
                f"The experiment {name!r} was deleted.",
                "Restore it in MLflow's UI, or remove it for good with `mlflow gc`.",
            )
        return str(found.experiment_id)


def _chunks(items: list[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _no_run(run_id: str) -> RunNotFound:
    return RunNotFound(f"There is no run {run_id!r}.", "Give the id that MLflow's UI shows for the run.")


def _now_ms() -> int:
    return int(time.time() * 1000)
