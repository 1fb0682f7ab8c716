"""All that a round needs: a registry, inputs, a host of drivers, a warm JVM, readers; and one job to do harm to."""

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import psutil

from mlruns_fixture.build import Fixture, build
from tests.clusters import SparkCluster
from tests.faults import material, oracle
from tests.faults.cluster import SPECULATIVE, Cluster
from tests.faults.dangerous import Danger
from tests.faults.engine import Engine
from tests.faults.host import Driver, Ended, Host, Order
from tests.faults.material import Input
from tests.faults.oracle import Expected, Verdict
from tests.faults.readers import EVERY_S, Readers, Seen

if TYPE_CHECKING:
    from tests.faults.registry_harmed import Server

URI = "models:/colours/Production"
PARQUET = "parquet"
DELTA = "delta"
# What is done to what: every fault meets each of these, one after the other.
KINDS = ((material.PHOTOS, PARQUET), (material.TABLE, PARQUET), (material.PHOTOS, DELTA))


@dataclass(frozen=True, slots=True)
class Bench:
    """Shared by all rounds. `answers`: of each kind of input by each version, by a job without faults.

    `took`: seconds of such a job.
    """

    folder: Path
    fixture: Fixture
    inputs: Mapping[str, Input]
    host: Host
    engine: Engine
    readers: Readers
    environment: Mapping[str, str]
    answers: dict[tuple[str, str], Mapping[Any, str]] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)
    slow: "Slow | None" = None

    def cluster(self) -> Cluster:
        """Started when it is asked for first."""
        assert self.slow is not None
        return self.slow.cluster()

    def server(self) -> "Server":
        """As `cluster`."""
        assert self.slow is not None
        return self.slow.server()

    def danger(self) -> Danger:
        """As `cluster`."""
        assert self.slow is not None
        return self.slow.danger()

    def work(self, number: int, name: str = "job") -> "Work":
        """A new job of the kind that comes next."""
        kind, output_format = KINDS[number % len(KINDS)]
        outputs = self.folder / "outputs"
        output = outputs / f"{name}-{number}-{kind}-{output_format}"
        return Work(self, self.inputs[kind], output, output_format, self.fixture.uri)

    def answered(self, given: Input, version: str) -> Mapping[Any, str]:
        """By a job of this version, a URI, without faults, which is done once."""
        key = (given.kind, version)
        if key not in self.answers:
            output = self.folder / "whole" / f"{given.kind}-{len(self.answers)}"
            work = Work(self, given, output, PARQUET, self.fixture.uri, version)
            started = time.monotonic()
            work.run().check()
            self.took_s(given, time.monotonic() - started)
            self.answers[key] = material.answers(oracle.read(work.output, PARQUET), given.identity)
            assert len(self.answers[key]) == given.count
        return self.answers[key]

    def usually_s(self, given: Input) -> float:
        """Seconds that a whole job takes: the fewest that one without faults took."""
        self.answered(given, URI)
        return self.took[given.kind]

    def took_s(self, given: Input, seconds: float) -> None:
        self.took[given.kind] = min(seconds, self.took.get(given.kind, seconds))


@dataclass(frozen=True, slots=True)
class Work:
    """One job: what is scored, and where to."""

    bench: Bench
    input: Input
    output: Path
    output_format: str
    registry: str
    uri: str = URI

    def order(self, **given: Any) -> Order:
        """The same command each time, but for what is `given`."""
        order = Order(
            uri=self.uri,
            input=str(self.input.path),
            input_format=self.input.format,
            output=str(self.output),
            output_format=self.output_format,
            keep=self.input.keep,
            environment={**self.bench.environment, "MLFLOW_TRACKING_URI": self.registry},
            conf=self.input.small_chunks,
        )
        if "master" not in given:
            order = replace(order, gateway=self.bench.engine.gateway)
        return replace(order, **given)

    def with_own_registry(self) -> "Work":
        """The same in a copy of the registry, where what is moved is moved for nobody else."""
        database = self.bench.folder / f"{self.output.name}.db"
        shutil.copyfile(self.registry.removeprefix("sqlite:///"), database)
        return replace(self, registry=f"sqlite:///{database}")

    def start(self, **given: Any) -> Driver:
        return self.bench.host.start(self.order(**given))

    def run(self, **given: Any) -> Ended:
        return self.start(**given).wait()

    def chunks(self) -> int:
        """How many are to be seen."""
        return len(list(self.output.glob("*.parquet")))

    def instant(self, chance: Random) -> float:
        """Seconds after the start of a command at which it is mostly at work."""
        return chance.uniform(0, self.bench.usually_s(self.input))

    def unended_runs(self) -> tuple[str, ...]:
        """The registry's runs that say RUNNING."""
        if not self.registry.startswith("sqlite:"):
            return ()
        with closing(sqlite3.connect(self.registry.removeprefix("sqlite:///"), timeout=60)) as database:
            found = database.execute("SELECT run_uuid FROM runs WHERE status = 'RUNNING'").fetchall()
        return tuple(f"run {row[0]} says RUNNING" for row in found)

    def is_finished(self) -> bool:
        return any((self.output / oracle.PRIVATE).glob("finished-*.json"))

    def judged(self, left: tuple[str, ...] = ()) -> tuple[Verdict, Seen]:
        """Once its last command has ended well; what it was is gone afterwards."""
        seen = self.bench.readers.seen(self.output)
        said = json.loads((self.output / oracle.PRIVATE / "job.json").read_text())
        version = f"models:/{said['model_name']}/{said['model_version']}"
        answers = self.bench.answered(self.input, version)
        expected = Expected(self.input, answers, tuple(seen.wrong), left, self.unended_runs())
        verdict = oracle.judge(self.output, self.output_format, expected)
        kept = self.bench.folder / ("kept" if not verdict.holds else "gone") / self.output.name
        kept.parent.mkdir(exist_ok=True)
        self.output.rename(kept)
        if verdict.holds:
            shutil.rmtree(kept)
        return verdict, seen


def until(holds: Callable[[], bool], driver: Driver | None = None, timeout_s: float = 120) -> bool:
    """Whether it came to hold before the driver ended. Raises TimeoutError where neither happens."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if driver is not None and not driver.is_running():
            return holds()
        if time.monotonic() > deadline:
            raise TimeoutError("what a fault waits for does not come")
        time.sleep(0.003)
    return True


def descendants(pid: int) -> list[psutil.Process]:
    """Of a recorded process, itself left out."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def gone(processes: list[psutil.Process], timeout_s: float = 60) -> tuple[str, ...]:
    """Which of them are still there after a while, in words."""
    _, alive = psutil.wait_procs(processes, timeout=timeout_s)
    return tuple(f"process {each.pid} {each.name()}" for each in alive)


def environment_of(fixture: Fixture, temporary: Path) -> dict[str, str]:
    """What drivers have besides this process's own."""
    temporary.mkdir(parents=True, exist_ok=True)
    return {
        "MLFLOW_TRACKING_URI": fixture.uri,
        "TMPDIR": str(temporary),
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "2",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "PATH": os.environ["PATH"],
    }


class Slow:
    """What only some faults need, each started when it is asked for first, and ended with `stack`."""

    def __init__(
        self, folder: Path, fixture: Fixture, stack: ExitStack, cluster: SparkCluster | None
    ) -> None:
        self._folder, self._registry, self._stack = folder, fixture.uri, stack
        self._packaged = fixture.photos.parent / "packaged" / "1"
        self._given = cluster

    @cached_property
    def _cluster(self) -> Cluster:
        cluster = self._given or self._stack.enter_context(SparkCluster(self._folder / "cluster"))
        engine = Engine(self._folder / "cluster-engine", cluster.url, SPECULATIVE)
        self._stack.callback(engine.end)
        return Cluster(cluster, engine)

    @cached_property
    def _server(self) -> "Server":
        from tests.faults.registry_harmed import Server

        server = Server(self._folder / "server", self._packaged)
        self._stack.callback(server.end)
        return server

    @cached_property
    def _danger(self) -> Danger:
        return Danger(self._folder / "dangerous", self._registry)

    def cluster(self) -> Cluster:
        return self._cluster

    def danger(self) -> Danger:
        return self._danger

    def server(self) -> "Server":
        return self._server


@contextmanager
def opened(
    folder: Path,
    photos: int,
    fixture: Fixture | None = None,
    cluster: SparkCluster | None = None,
    looks_every_s: float = EVERY_S,
) -> Iterator[Bench]:
    """A bench in an empty folder, and the end of all that it started. What is not given is made."""
    with ExitStack() as stack:
        host = Host(folder / "host")
        stack.callback(host.end)
        engine = Engine(folder / "engine")
        stack.callback(engine.end)
        readers = Readers(folder / "outputs", folder / "readers", os.environ, looks_every_s)
        stack.callback(readers.end)
        fixture = fixture or build(folder / "registry")
        inputs = material.make(folder / "in", photos)
        environment = environment_of(fixture, folder / "temporary")
        slow = Slow(folder, fixture, stack, cluster)
        yield Bench(folder, fixture, inputs, host, engine, readers, environment, slow=slow)
