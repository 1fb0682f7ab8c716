"""A short round of most faults of `make soak-faults`, on jobs that share a warm JVM.

`make soak-smoke` plays those that are left out here: on a cluster, with a registry's server, and others that take long.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlruns_fixture.build import Fixture
from tests.clusters import SparkCluster
from tests.faults import all_faults, soak, table
from tests.faults.bench import Bench, opened
from tests.faults.fault import Fault

PHOTOS = 16
# Harm done in one job; a soak does more.
TIMES = 1
# Readers share two cores with all that is harmed; those of a soak look more often.
LOOKS_EVERY_S = 0.2


@pytest.fixture(scope="module")
def bench(
    tmp_path_factory: pytest.TempPathFactory, colours_registry: Fixture, spark_cluster: SparkCluster
) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("faults")
    database = folder / "mlflow.db"
    shutil.copyfile(colours_registry.uri.removeprefix("sqlite:///"), database)
    fixture = Fixture(f"sqlite:///{database}", colours_registry.photos, colours_registry.golden)
    with opened(folder, PHOTOS, fixture, spark_cluster, LOOKS_EVERY_S) as bench:
        yield bench


@pytest.mark.parametrize("fault", all_faults.SHORT, ids=lambda fault: fault.name)
def test_no_row_is_lost_or_doubled_whatever_happens(bench: Bench, fault: Fault) -> None:
    check(bench, fault)


def check(bench: Bench, fault: Fault) -> None:
    number = all_faults.FAULTS.index(fault)
    played = soak.play(bench, fault, number, times=min(fault.times, TIMES))
    assert not any(played.wrong.values()), played
    assert played.snapshots >= 2


def test_the_table_adds_up_what_was_found_and_leaves_the_rest_of_the_page_alone(tmp_path: Path) -> None:
    name = all_faults.FAULTS[0].name
    wrong = dict.fromkeys(("lost", "twice", "mixed", "partial", "wrong", "unfinished", "running", "left"), 0)
    kept = tmp_path / "rounds.jsonl"
    played = [soak.Round(name, n, 0, 2, 1.0 + n, 9.0, 40, {**wrong, "lost": n}) for n in range(3)]
    for each in played:
        soak.keep(each, kept)
    document = tmp_path / "reliability.md"
    document.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    table.write(kept, document)
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert f"| {name} | 6 | the same command goes on | 3 | 0 | 0 | 0 | 0 | 2.0 s, 3.0 s |" in text
    assert "6 faults in 3 jobs" in text
