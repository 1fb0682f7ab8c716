"""A JVM with a Spark session that outlives the drivers which use it, one after the other."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.clusters import LOOPBACK, LeashedProcess, spark_submit_environment
from tests.faults.host import ROOT, Gateway

WORKER = "pyspark.worker"
# Whoever is killed again and again is not at fault.
PATIENT = {
    "spark.task.maxFailures": "1000",
    "spark.stage.maxConsecutiveAttempts": "1000",
    "spark.excludeOnFailure.enabled": "false",
    "spark.driver.host": LOOPBACK,
    "spark.driver.bindAddress": LOOPBACK,
    "spark.log.level": "ERROR",
    # Each worker that is killed has another one forked.
    "spark.python.daemon.module": "tests.daemon",
    "spark.executorEnv.PYTHONPATH": str(ROOT),
}


class Engine:
    """Ends with `end()`."""

    def __init__(
        self, folder: Path, master: str = "local[2,1000]", conf: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        settings = {**PATIENT, "spark.local.dir": str(folder / "local"), **(conf or {})}
        self._said = folder / "engine.json"
        environment = {**os.environ, **spark_submit_environment(master, settings)}
        command = [sys.executable, "-m", "tests.faults.engine", str(self._said)]
        self.process = LeashedProcess(command, folder / "engine.log", environment, ROOT)

    @property
    def gateway(self) -> Gateway:
        """Waits until it is there."""
        return Gateway(self._of["port"], self._of["secret"])

    @property
    def _of(self) -> dict[str, Any]:
        self.process.wait_until(self._said.exists, "Spark")
        said: dict[str, Any] = json.loads(self._said.read_text())
        return said

    def workers(self) -> list[psutil.Process]:
        """Its Python workers: what the daemon that the JVM started has forked. The daemon itself is not among them."""
        return [child for daemon in self.daemons() for child in daemon.children()]

    def daemons(self) -> list[psutil.Process]:
        return list(python_daemons(psutil.Process(self._of["jvm"])))

    def end(self) -> None:
        self.process.end()


def python_daemons(jvm: psutil.Process) -> Iterator[psutil.Process]:
    """The processes that fork a JVM's Python workers."""
    for child in jvm.children():
        try:
            if WORKER in child.cmdline():
                yield child
        except psutil.NoSuchProcess:
            continue


def main(said: Path) -> None:
    """Start it, tell where it is, and stay until the end."""
    from pyspark.sql import SparkSession

    spark: Any = SparkSession.builder.getOrCreate()
    gateway = spark.sparkContext._gateway
    about = {
        "port": gateway.java_parameters.port,
        "secret": gateway.java_parameters.auth_token,
        "jvm": gateway.proc.pid,
    }
    new = said.with_suffix(".new")
    new.write_text(json.dumps(about))
    new.rename(said)
    gateway.proc.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
