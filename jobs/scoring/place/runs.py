"""The MLflow runs of an output's commands, for what the registry has not been told of them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from registry import Outcome, Registry, RegistryError, RunStatus

from .. import recording
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


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps in an output what the registry could not be told; see `recording.Keeper`."""

    store: Store

    def keep(self, run_id: str, outcome: Outcome) -> None:
        """Until `complete`."""
        said = {**asdict(outcome), "ended_at": outcome.ended_at and outcome.ended_at.isoformat()}
        self.store.put(f"{_RUNS}/{run_id}.json", json.dumps({"run_id": run_id, "outcome": said}).encode())


def complete(store: Store, registry: Registry, say: Callable[[str], None]) -> None:
    """Tell the registry what it has not been told: of commands that were killed, that they were.

    Nobody else works on the output, so whatever has not ended is dead. Where the registry cannot be told now either,
    that is for the next command.
    """
    try:
        for run_id in recording.complete(registry, list(_untold(store))):
            store.put(f"{_RUNS}/{run_id}.json", json.dumps({"run_id": run_id, "ended": _now()}).encode())
    except RegistryError as error:
        say(f"What earlier commands on {store.root!r} had to say could not be recorded: {error}")


def _untold(store: Store) -> Iterator[tuple[str, Outcome]]:
    for said in (read_json(store, f"{_RUNS}/{name}") for name in store.names(_RUNS)):
        if "outcome" in said:
            yield said["run_id"], _outcome(said["outcome"])
        elif "ended" not in said:
            yield said["run_id"], Outcome(status=RunStatus.KILLED)


def _outcome(said: dict[str, Any]) -> Outcome:
    ended = said["ended_at"] and datetime.fromisoformat(said["ended_at"])
    return Outcome(**{**said, "status": RunStatus(said["status"]), "ended_at": ended})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
