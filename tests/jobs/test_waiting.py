"""A job that waits for executors says so, once, and goes on."""

from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.spark import waiting


class Cluster:
    """A status tracker by hand: `active` tasks in each active stage; None for one that Spark has forgotten."""

    def __init__(self) -> None:
        self.active: list[int | None] = []
        self.sparkContext = SimpleNamespace(statusTracker=lambda: self, master="spark://host:7077")

    def getActiveStageIds(self) -> list[int]:
        return list(range(len(self.active)))

    def getStageInfo(self, stage: int) -> Any:
        active = self.active[stage]
        return None if active is None else SimpleNamespace(numActiveTasks=active)


@pytest.fixture
def clock() -> list[float]:
    return [100.0]


def test_stages_that_wait_without_a_task_are_told_of_once_and_again_when_it_happens_again(
    clock: list[float],
) -> None:
    cluster, said = Cluster(), []
    wait = waiting.Wait(cluster, said.append, lambda: clock[0])  # type: ignore[arg-type]

    def after(seconds: float, *active: int | None) -> int:
        clock[0] += seconds
        cluster.active = list(active)
        wait.look()
        return len(said)

    assert after(0) == 0
    assert after(1, 0, None) == 0
    assert after(waiting.PATIENCE_S - 1, 0) == 0
    assert after(1, 0) == 1
    assert after(500, 0) == 1
    assert "no task for 20 s: it waits for executors" in said[0]
    assert after(1, 0, 2) == 1
    assert after(500, 0, 0) == 1, "it waits from now on"
    assert after(waiting.PATIENCE_S, 0) == 2
    assert after(1) == 2
    assert after(500, None) == 2


def test_what_a_session_that_ends_meanwhile_does_not_answer_is_no_fault_and_the_wait_goes_on(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, said = Cluster(), []
    wait = waiting.Wait(cluster, said.append, lambda: clock[0])  # type: ignore[arg-type]
    cluster.active = [0]
    wait.look()
    with monkeypatch.context() as gone:
        gone.setattr(cluster, "getStageInfo", None)  # whoever calls it fails
        clock[0] += waiting.PATIENCE_S
        wait.look()
    assert said == []
    wait.look()
    assert len(said) == 1


def test_a_local_master_waits_for_nobody(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "Wait", None)  # whoever makes one fails
    with waiting.told_of(spark, pytest.fail):
        assert spark.range(3).count() == 3
