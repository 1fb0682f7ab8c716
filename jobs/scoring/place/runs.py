"""The MLflow runs of an output's commands, for what the registry has not been told of them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from registry import Outcome, Registry, RegistryError, RunStatus

from .notes import read_json
from .stores import PRIVATE, Store

_RUNS = f"{PRIVATE}/runs"


@contextmanager
def kept(store: Store, run_id: str) -> Iterator[None]:
    """Remember that a run is going on; whoever finds that remembered later, and works alone, knows that it died."""
    name = f"{_RUNS}/{run_id}.json"
    store.put(name, json.dumps({"run_id": run_id, "since": _now()}).encode())
    try:
        yield
    finally:
        with suppress(OSError):
            store.put(name, json.dumps({"run_id": run_id, "ended": _now()}).encode())


def end_those_of_the_dead(store: Store, registry: Registry, say: Callable[[str], None]) -> None:
    """Have the registry say of the runs of commands that were killed that they were."""
    for run_id in _unended(store):
        try:
            registry.finish_run(run_id, Outcome(status=RunStatus.KILLED))
        except RegistryError as error:
            say(f"The run {run_id} of a command that was killed could not be ended: {error}")
        store.put(f"{_RUNS}/{run_id}.json", json.dumps({"run_id": run_id, "ended": _now()}).encode())


def _unended(store: Store) -> list[str]:
    return [said["run_id"] for said in _all(store) if "ended" not in said]


def _all(store: Store) -> list[dict[str, str]]:
    return [read_json(store, f"{_RUNS}/{name}") for name in store.names(_RUNS)]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
