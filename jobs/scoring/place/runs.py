"""The MLflow runs of an output's commands, for what the registry has not been told of them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from registry import Outcome, Registry, RegistryError, RunNotFound, RunStatus

from ...errors import InputError
from .. import recording
from .notes import read_json
from .stores import PRIVATE, Store

_RUNS = f"{PRIVATE}/runs"


@contextmanager
def remembering(store: Store) -> Iterator[Callable[[str], None]]:
    """Gives what remembers that a run is going on; whoever finds that later, and works alone, knows that it died.

    It is forgotten at the end, once the registry knows how the run ended, or a `Keeper` has that for it.
    """
    ids: list[str] = []

    def remember(run_id: str) -> None:
        store.put(_name(run_id), json.dumps({"run_id": run_id, "since": _now()}).encode())
        ids.append(run_id)

    try:
        yield remember
    finally:
        for run_id in ids:
            with suppress(OSError, InputError):
                if "outcome" not in read_json(store, _name(run_id)):
                    _forget(store, run_id)


def _forget(store: Store, run_id: str) -> None:
    known = read_json(store, _name(run_id))
    since = {"since": known["since"]} if "since" in known else {}
    store.put(_name(run_id), json.dumps({"run_id": run_id, **since, "ended": _now()}).encode())


def began(store: Store) -> dict[str, float]:
    """When each run of the output's commands began, in seconds since 1970, as far as it is kept."""
    known = {said["run_id"]: said["since"] for said in _all(store) if "since" in said}
    return {run_id: datetime.fromisoformat(since).timestamp() for run_id, since in known.items()}


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps in an output what the registry could not be told; see `recording.Keeper`."""

    store: Store

    def keep(self, run_id: str, outcome: Outcome) -> None:
        """Until `complete`."""
        said = {**asdict(outcome), "ended_at": outcome.ended_at and outcome.ended_at.isoformat()}
        self.store.put(_name(run_id), json.dumps({"run_id": run_id, "outcome": said}).encode())


def complete(store: Store, registry: Registry, say: Callable[[str], None]) -> None:
    """Tell the registry what it has not been told: of commands that were killed, that they were.

    Nobody else works on the output, so whatever has not ended is dead. Where the registry cannot be told now either,
    that is for the next command.
    """
    try:
        for run_id in _dead(store):
            _end(registry, run_id)
            _forget(store, run_id)
        for run_id in recording.complete(registry, _kept(store)):
            _forget(store, run_id)
    except RegistryError as error:
        say(f"What earlier commands on {store.root!r} had to say could not be recorded: {error}")


def _end(registry: Registry, run_id: str) -> None:
    # Its command may have ended just after it had told the registry how it went.
    with suppress(RunNotFound):
        if registry.run(run_id).status is RunStatus.RUNNING:
            registry.finish_run(run_id, Outcome(status=RunStatus.KILLED))


def _dead(store: Store) -> list[str]:
    return [said["run_id"] for said in _all(store) if "ended" not in said and "outcome" not in said]


def _kept(store: Store) -> list[tuple[str, Outcome]]:
    return [(said["run_id"], _outcome(said["outcome"])) for said in _all(store) if "outcome" in said]


def _all(store: Store) -> list[dict[str, Any]]:
    return [read_json(store, f"{_RUNS}/{name}") for name in store.names(_RUNS)]


def _outcome(said: dict[str, Any]) -> Outcome:
    ended = said["ended_at"] and datetime.fromisoformat(said["ended_at"])
    return Outcome(**{**said, "status": RunStatus(said["status"]), "ended_at": ended})


def _name(run_id: str) -> str:
    return f"{_RUNS}/{run_id}.json"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
