"""The MLflow runs of an output's commands, for what the registry has not been told of them."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from registry import Outcome, Registry, RegistryError, RunNotFound, RunStatus

from .stores import PRIVATE, Store

_RUNS = f"{PRIVATE}/runs"


@contextmanager
def remembering(store: Store) -> Iterator[Callable[[str], None]]:
    """Gives what remembers that a run is going on; whoever finds that later, and works alone, knows that it died.

    The run is forgotten at the end, where the registry has been told how it ended, and not before.
    """
    ids: list[str] = []

    def remember(run_id: str) -> None:
        store.put(_name(run_id), json.dumps({"run_id": run_id, "since": _now()}).encode())
        ids.append(run_id)

    try:
        yield remember
    except RegistryError:
        raise
    except BaseException:
        _forget(store, ids)
        raise
    _forget(store, ids)


def _forget(store: Store, ids: Iterable[str]) -> None:
    for run_id in ids:
        with suppress(OSError):
            store.put(_name(run_id), json.dumps({"run_id": run_id, "ended": _now()}).encode())


def end_those_of_the_dead(store: Store, registry: Registry, say: Callable[[str], None]) -> None:
    """Have the registry say of the runs of commands that were killed that they were; what it cannot be told waits."""
    for run_id in _unended(store):
        try:
            # Its command may have ended just after it had told the registry how it went.
            if registry.run(run_id).status is RunStatus.RUNNING:
                registry.finish_run(run_id, Outcome(status=RunStatus.KILLED))
        except RunNotFound:
            pass
        except RegistryError as error:
            say(f"The run {run_id} of a command that was killed could not be ended: {error}")
            continue
        _forget(store, [run_id])


def _unended(store: Store) -> list[str]:
    return [said["run_id"] for said in _all(store) if "ended" not in said]


def _all(store: Store) -> list[dict[str, str]]:
    read = (store.read(f"{_RUNS}/{name}") for name in store.names(_RUNS))
    return [json.loads(said) for said in read if said]


def _name(run_id: str) -> str:
    return f"{_RUNS}/{run_id}.json"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
