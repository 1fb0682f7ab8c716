"""Promoters at once, round after round: `make soak-registry`, and some rounds of it in the suite.

In each round every process promotes a version of its own to Production at the same moment. Afterwards one
version stands there, with the alias; every success is in the ledger; nobody who lost was told that he won.
Beside it the same rounds by MLflow's own call, so that the difference is seen.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from mlflow.tracking import MlflowClient

from registry import EventKind, PromotionLost, Registry, RegistryError
from registry.client import Client
from registry.ledger.claims import claims_in
from registry.versions import Place, Stage

PROCESSES = 4
# A ledger grows with every round; a model that is moved hundreds of times a day is not what is asked here.
ROUNDS_A_MODEL = 10
PRODUCTION = Stage.PRODUCTION


@dataclass(frozen=True)
class Order:
    """What one process is to promote."""

    name: str
    number: int
    stage: Place = Stage.PRODUCTION


@dataclass(frozen=True)
class Outcome:
    """What one process was told: its event's id, or whose event was there first."""

    number: int
    event_id: str = ""
    lost_to: str = ""
    fault: str = ""


@dataclass
class Tally:
    """What went wrong in how many rounds."""

    rounds: int = 0
    moved: int = 0
    lost: int = 0
    faults: int = 0
    not_one_in_production: int = 0
    alias_elsewhere: int = 0
    successes_not_in_ledger: int = 0
    losers_told_they_won: int = 0
    losers_told_of_no_winner: int = 0
    events_out_of_nothing: int = 0
    left_overs: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        """Rounds, successes and losers of which none may be wrong."""
        return (
            self.faults
            + self.not_one_in_production
            + self.alias_elsewhere
            + self.successes_not_in_ledger
            + self.losers_told_they_won
            + self.losers_told_of_no_winner
            + self.events_out_of_nothing
            + self.left_overs
        )


class Promoters:
    """Processes that promote at once, when told what."""

    def __init__(self, uri: str, plain: bool = False, processes: int = PROCESSES) -> None:
        # Forked from a process that has MLflow and no connection: a Python of its own would import it four times.
        spawning = multiprocessing.get_context("forkserver")
        spawning.set_forkserver_preload(["mlflow.tracking", "registry.client", __name__])
        self._barrier = spawning.Barrier(processes)
        self._ends: list[Connection] = []
        self._processes = []
        for _ in range(processes):
            ours, theirs = spawning.Pipe()
            work = _promote_plainly if plain else _promote
            process = spawning.Process(target=work, args=(uri, theirs, self._barrier), daemon=True)
            process.start()
            self._ends.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Promoters:
        return self

    def __exit__(self, *_: object) -> None:
        for end in self._ends:
            end.send(None)
        for process in self._processes:
            process.join(10)
            process.terminate()

    def race(self, name: str, numbers: Sequence[int], stage: Place = PRODUCTION) -> list[Outcome]:
        """One round."""
        for end, number in zip(self._ends, numbers, strict=True):
            end.send(Order(name, number, stage))
        return [end.recv() for end in self._ends]


def _orders(end: Connection) -> Iterator[Order]:
    while (order := end.recv()) is not None:
        yield order


def _promote(uri: str, end: Connection, barrier: Barrier) -> None:
    registry = Registry(uri)
    registry.names()  # connect before the first round
    for order in _orders(end):
        barrier.wait(60)
        try:
            event = registry.promote(order.name, order.number, order.stage).event
            end.send(Outcome(order.number, event_id=event.event_id if event else ""))
        except PromotionLost as lost:
            end.send(Outcome(order.number, lost_to=lost.message))
        except RegistryError as fault:
            end.send(Outcome(order.number, fault=f"{type(fault).__name__}: {fault}"))


def _promote_plainly(uri: str, end: Connection, barrier: Barrier) -> None:
    client = MlflowClient(uri)
    client.search_registered_models()
    warnings.simplefilter("ignore", FutureWarning)
    for order in _orders(end):
        barrier.wait(60)
        try:
            client.transition_model_version_stage(order.name, str(order.number), PRODUCTION, True)
            client.set_registered_model_alias(order.name, "production", str(order.number))
            end.send(Outcome(order.number, event_id="none"))
        except Exception as fault:
            end.send(Outcome(order.number, fault=repr(fault)[:200]))


def soak(uri: str, rounds: int, plain: bool = False, stage: Place = PRODUCTION) -> Tally:
    """Run the rounds on one registry; see `Tally`."""
    tally = Tally()
    with Promoters(uri, plain) as promoters:
        while tally.rounds < rounds:
            name = _new_model(uri)
            for _ in range(min(ROUNDS_A_MODEL, rounds - tally.rounds)):
                _one_round(uri, promoters, name, tally, plain, stage)
    return tally


def _new_model(uri: str) -> str:
    client, name = MlflowClient(uri), f"soak-{uuid.uuid4().hex}"
    client.create_registered_model(name)
    for _ in range(PROCESSES + 1):
        client.create_model_version(name, "s3://bucket/model", await_creation_for=0)
    return name


def _one_round(uri: str, promoters: Promoters, name: str, tally: Tally, plain: bool, stage: Place) -> None:
    """All versions but one are promoted; the one in the stage is left out, so that each is a real move."""
    client = Registry(uri)._client
    versions = sorted(client.versions(name), key=lambda version: stage.alias in version.aliases)
    numbers = [version.number for version in versions]
    before = {event.event_id for event in _events(client, name)}
    outcomes = promoters.race(name, numbers[:PROCESSES], stage)
    tally.rounds += 1
    tally.moved += sum(bool(outcome.event_id) for outcome in outcomes)
    tally.lost += sum(bool(outcome.lost_to) for outcome in outcomes)
    wrong = _standing_faults(client, name, tally) if stage is PRODUCTION else []
    if not plain:
        wrong += _ledger_faults(client, name, outcomes, before, tally, stage)
    faults = [outcome.fault for outcome in outcomes if outcome.fault]
    tally.faults += len(faults)
    if wrong or faults:
        tally.examples = [*tally.examples, f"{name}: {wrong + faults} {outcomes}"][:5]


def _events(client: Client, name: str) -> list:  # type: ignore[type-arg]
    from registry.ledger.history import events_in

    return events_in(client.model(name).tags)


def _standing_faults(client: Client, name: str, tally: Tally) -> list[str]:
    standing = [version for version in client.versions(name) if version.stage.value == PRODUCTION]
    wrong = []
    if len(standing) != 1:
        tally.not_one_in_production += 1
        wrong.append(f"in Production: {[version.number for version in standing]}")
    if any("production" not in version.aliases for version in standing):
        tally.alias_elsewhere += 1
        wrong.append("the alias is elsewhere")
    return wrong


def _ledger_faults(
    client: Client, name: str, outcomes: Sequence[Outcome], before: set[str], tally: Tally, stage: Place
) -> list[str]:
    model = client.model(name)
    new = [event for event in _events(client, name) if event.event_id not in before]
    told = {outcome.event_id for outcome in outcomes if outcome.event_id}
    kept = {event.event_id for event in new if event.kind is EventKind.PROMOTED}
    losers = {outcome.number for outcome in outcomes if outcome.lost_to}
    counts = {
        "successes_not_in_ledger": len(told - kept),
        "losers_told_they_won": len(losers & {event.version for event in new}),
        "events_out_of_nothing": len(kept - told) + sum(event.kind is EventKind.SEEN for event in new),
        "left_overs": len(claims_in(model.tags)),
    }
    # Who lost is told the id of the event that was there first.
    misinformed = [
        outcome for outcome in outcomes if outcome.lost_to and not any(key in outcome.lost_to for key in kept)
    ]
    counts["losers_told_of_no_winner"] = len(misinformed)
    last = max(kept, default="")
    holder = next((event.version for event in new if event.event_id == last), None)
    if holder != model.aliases.get(stage.alias or ""):
        counts["losers_told_they_won"] += 1
    for key, count in counts.items():
        setattr(tally, key, getattr(tally, key) + count)
    return [f"{key} {count}" for key, count in counts.items() if count]


# --- by hand


def _lines(title: str, tally: Tally) -> list[str]:
    shown = {key: value for key, value in asdict(tally).items() if key != "examples"}
    return [title, *(f"  {key.replace('_', ' '):<26}{value:>8}" for key, value in shown.items())] + [
        f"  example: {example}" for example in tally.examples[:2]
    ]


def say(lines: Sequence[str]) -> None:
    """To a person, at once."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak SQLite and an MLflow server over PostgreSQL; exit code 1 if anything is wrong."""
    from tests.clusters import MlflowServer, PostgresServer

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--plain-rounds", type=int, default=100, help="rounds by MLflow's own call beside it")
    given = parser.parse_args(arguments)
    wrong = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stagewright-soak-")))
        database = stack.enter_context(PostgresServer()).new_database()
        server = stack.enter_context(MlflowServer(database, folder / "artifacts"))
        for title, uri in (("SQLite", f"sqlite:///{folder / 'mlflow.db'}"), ("PostgreSQL", server.url)):
            MlflowClient(uri).search_registered_models()
            plain = soak(uri, given.plain_rounds, plain=True)
            say(_lines(f"{title}, MLflow's own call", plain))
            ours = soak(uri, given.rounds)
            say(_lines(f"{title}, stagewright promote", ours))
            wrong += ours.wrong
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
