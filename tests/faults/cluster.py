"""A cluster of two workers with a warm driver's JVM, speculation on."""

from collections.abc import Iterator
from contextlib import suppress

import psutil

from tests.clusters import SparkCluster
from tests.faults.engine import Engine, python_daemons

SPECULATIVE = {
    "spark.speculation": "true",
    "spark.speculation.interval": "100ms",
    "spark.speculation.multiplier": "1.1",
    "spark.speculation.quantile": "0.1",
    "spark.speculation.minTaskRuntime": "300ms",
    "spark.executor.memory": "512m",
    "spark.executor.cores": "1",
}
_EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"


class Cluster:
    """`engine` is ended by whoever made it; so is the cluster."""

    def __init__(self, cluster: SparkCluster, engine: Engine) -> None:
        self.engine = engine
        self._cluster = cluster

    def executors(self) -> Iterator[psutil.Process]:
        """Their JVMs, among what the cluster's own processes have started."""
        for session in self._cluster.session_ids:
            for process in psutil.Process(session).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if _EXECUTOR in process.cmdline():
                        yield process

    def workers_of(self, executor: psutil.Process) -> list[psutil.Process]:
        """The Python workers of one."""
        with suppress(psutil.NoSuchProcess):
            return [child for daemon in python_daemons(executor) for child in daemon.children()]
        return []
