"""Runs and what they keep."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from mlflow.entities import Metric, Param, RunInfo, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.validation import MAX_METRICS_PER_BATCH, MAX_PARAMS_TAGS_PER_BATCH

from registry import tags
from registry.author import author
from registry.client.entities import run_of
from registry.client.faults import FORBIDDEN, PRESENT, Allowed, Faults
from registry.client.searching import pages, quoted
from registry.connection import Address
from registry.errors import RegistryFault, RunNotFound, RunRefused, UserError
from registry.processes import Process
from registry.runs import Outcome, Run, RunStatus

# Beyond them the next start goes on.
MAX_ABANDONED = 20
NEWEST_FIRST = ["attributes.start_time DESC"]

T = TypeVar("T")


class Runs:
    """The runs of one tracking server; every method raises what `Client`'s methods raise."""

    def __init__(self, mlflow: MlflowClient, faults: Faults, address: Address) -> None:
        self._mlflow = mlflow
        self._faults = faults
        self._address = address

    def start(self, experiment: str, name: str, said: Mapping[str, str]) -> str:
        """Begin a run in an experiment, which is made where it does not exist; gives the run's id.

        Raises RunRefused where these credentials may not.
        """
        with self._permitted(f"make a run in the experiment {experiment!r}"):
            made = self._mlflow.create_run(
                self._experiment_id(experiment),
                run_name=name,
                tags={tags.MLFLOW_USER: author(), **_of_process(), **said},
                start_time=_now_ms(),
            )
        return str(made.info.run_id)

    def resume(self, run_id: str, experiment: str | None, said: Mapping[str, str]) -> str:
        """Have a run that is there go on, as MLflow has it for MLFLOW_RUN_ID; gives its id.

        `experiment`: the one that it has to be of, if any. Raises RunNotFound, RunRefused, and UserError where the run
        was deleted or is of another experiment.
        """
        with self._permitted(f"write into the run {run_id!r}, if there is one,", absent=_no_run(run_id)):
            self._check_resumable(self._mlflow.get_run(run_id).info, experiment)
            self._mlflow.update_run(run_id, RunStatus.RUNNING.value)
            self._mlflow.log_batch(
                run_id, tags=[RunTag(key, str(value)) for key, value in {**_of_process(), **said}.items()]
            )
        return run_id

    def _check_resumable(self, info: RunInfo, experiment: str | None) -> None:
        if info.lifecycle_stage != "active":
            raise UserError(f"The run {info.run_id!r} was deleted.", "Restore it, or unset MLFLOW_RUN_ID.")
        place = self._mlflow.get_experiment(info.experiment_id).name if experiment is not None else None
        if place != experiment:
            raise UserError(
                f"The run {info.run_id!r} is of the experiment {place!r}, and not of {experiment!r}.",
                "Leave --experiment out, or unset MLFLOW_RUN_ID.",
            )

    @contextmanager
    def _permitted(self, to: str, absent: RunNotFound | None = None) -> Iterator[None]:
        """Requests that take a right of their own. Raises RunRefused where these credentials lack it."""
        try:
            with self._faults.calls(allowed=FORBIDDEN, absent=absent):
                yield
        except Allowed:
            raise RunRefused(
                f"These credentials may not {to} of {self._address}: they lack EDIT on the experiment.",
                "Have it granted, or name an experiment of your own by --experiment or MLFLOW_EXPERIMENT_NAME. "
                "`stagewright score --no-record` goes on without a run.",
            ) from None

    def end_abandoned(self, experiment: str) -> list[str]:
        """End as KILLED what says RUNNING in an experiment while its process, on this machine, is gone; their ids.

        One search, and of what it finds the oldest MAX_ABANDONED at most.
        """
        here = Process.here()
        if here is None:
            return []
        search = f"attributes.status = 'RUNNING' and tags.`{tags.RUN_HOST}` = {quoted(here.host)}"
        oldest = ["attributes.start_time ASC"]
        ended = []
        with self._faults.calls():
            place = self._mlflow.get_experiment_by_name(experiment)
            if place is None or place.lifecycle_stage != "active":
                return []
            found = self._mlflow.search_runs(
                [place.experiment_id], search, max_results=MAX_ABANDONED, order_by=oldest
            )
            for run in map(run_of, found):
                process = Process.read(here.host, run.tags.get(tags.RUN_PROCESS, ""))
                if process is not None and process.is_gone(here) and self._end_abandoned(run.run_id, process):
                    ended.append(run.run_id)
        return ended

    def _end_abandoned(self, run_id: str, process: Process) -> bool:
        # It may have said how it ended between the search and its end.
        if self._mlflow.get_run(run_id).info.status != RunStatus.RUNNING:
            return False
        why = f"process {process.pid} of {process.host} was gone and had not said how the run ended"
        self._mlflow.set_tag(run_id, tags.RUN_ENDED, why)
        self._mlflow.set_terminated(run_id, RunStatus.KILLED.value)
        return True

    def finish(self, run_id: str, outcome: Outcome) -> None:
        """Record what a run has to say and end it. Raises RunNotFound."""
        now = _now_ms() if outcome.ended_at is None else int(outcome.ended_at.timestamp() * 1000)
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
            self._mlflow.set_terminated(run_id, outcome.status.value, end_time=now)

    def get(self, run_id: str) -> Run:
        """One run. Raises RunNotFound."""
        with self._faults.calls(absent=_no_run(run_id)):
            return run_of(self._mlflow.get_run(run_id))

    def tagged(self, wanted: Mapping[str, str]) -> list[Run]:
        """The runs of all experiments that carry all these tags, newest first."""
        search = _having(wanted)
        with self._faults.calls():
            places = self._places()
            runs = pages(
                lambda token: self._mlflow.search_runs(
                    places, search, order_by=NEWEST_FIRST, page_token=token
                )
            )
            return [run_of(entity) for entity in runs]

    def latest(self, wanted: Mapping[str, str], most: int) -> list[Run]:
        """Of the runs of all experiments that carry all these tags the newest."""
        return self._newest(_having(wanted), most)

    def finished(self, wanted: Mapping[str, str], before: datetime, most: int) -> list[Run]:
        """Of the finished runs that carry all these tags and did not begin later than `before` the newest."""
        until_ms = int(before.timestamp() * 1000)
        return self._newest(
            f"attributes.status = 'FINISHED' and attributes.start_time <= {until_ms} and {_having(wanted)}",
            most,
        )

    def _newest(self, search: str, most: int) -> list[Run]:
        with self._faults.calls():
            found = self._mlflow.search_runs(self._places(), search, max_results=most, order_by=NEWEST_FIRST)
            return [run_of(entity) for entity in found]

    def file(self, run_id: str, name: str, max_bytes: int) -> bytes | None:
        """One file from the top of a run's artifacts; None where there is none of that name.

        Raises RunNotFound, and UserError where it is larger, by the store's word or by what arrives.
        """
        with self._faults.calls(absent=_no_run(run_id)):
            self._mlflow.get_run(run_id)
        with self._faults.transfers(), tempfile.TemporaryDirectory(prefix="stagewright-artifact-") as folder:
            found = next((each for each in self._mlflow.list_artifacts(run_id) if each.path == name), None)
            if found is None or found.is_dir:
                return None
            _check_size(run_id, name, found.file_size or 0, max_bytes)
            fetched = Path(self._mlflow.download_artifacts(run_id, name, folder))
            _check_size(run_id, name, fetched.stat().st_size, max_bytes)
            return fetched.read_bytes()

    def log_files(self, run_id: str, directory: Path, place: str) -> None:
        """Upload a directory's files into a folder of a run's artifacts. Raises RunNotFound."""
        with self._faults.calls(absent=_no_run(run_id)):
            self._mlflow.get_run(run_id)
        with self._faults.transfers():
            self._mlflow.log_artifacts(run_id, str(directory), place)

    def _places(self) -> list[str]:
        """The ids of all experiments."""
        found = pages(lambda token: self._mlflow.search_experiments(page_token=token))
        return [str(each.experiment_id) for each in found]

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


def _having(wanted: Mapping[str, str]) -> str:
    """A search for runs that carry all these tags."""
    return " and ".join(f"tags.`{key}` = {quoted(value)}" for key, value in wanted.items())


def _of_process() -> dict[str, str]:
    """Tags by which a run whose process was killed is known."""
    here = Process.here()
    return {} if here is None else {tags.RUN_HOST: here.host, tags.RUN_PROCESS: here.text()}


def _chunks(items: list[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _check_size(run_id: str, name: str, size: int, most: int) -> None:
    if size > most:
        raise UserError(
            f"{name!r} of run {run_id} takes {size:,} bytes, more than the {most:,} that are read.",
            "Find out who wrote it.",
        )


def _no_run(run_id: str) -> RunNotFound:
    return RunNotFound(f"There is no run {run_id!r}.", "Give the id that MLflow's UI shows for the run.")


def _now_ms() -> int:
    return int(time.time() * 1000)
