"""The benchmark in short: real processes of one core, a tiny model, few photos, whoever needs no extra package."""

from pathlib import Path

import psutil
import pytest

from benchmarks import results, run
from benchmarks.processes import ContenderFailed, watch

pytestmark = pytest.mark.usefixtures("migrated")

SHORT = "--models colours --photos 20 --different 10 --repeats 1 --even --cores 1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("documents")


@pytest.fixture(scope="module")
def measured(folder: Path) -> results.Invocation:
    contenders = ["article", "inprocess-f32"]
    assert run.main([*SHORT.split(), "--contenders", *contenders, "--output", str(folder)]) == 0
    [invocation] = results.read(folder / "speed.json")
    return invocation


@pytest.mark.timeout(900)
def test_all_contenders_give_the_articles_labels(measured: results.Invocation) -> None:
    assert [(one.contender, one.same_labels) for one in measured.results] == [
        ("article", 1.0),
        ("inprocess-f32", 1.0),
    ]


def test_each_reading_has_both_sizes_and_the_memory_of_the_whole_tree(measured: results.Invocation) -> None:
    for one in measured.results:
        [reading] = one.readings
        assert (reading.few, reading.many) == (4, 20)
        assert min(reading.few_s, reading.many_s) > 0
        assert reading.peak_megabytes["total"] > 100
    spark = measured.result("article")
    assert spark is not None
    assert {"driver", "jvm", "workers"} <= spark.readings[0].peak_megabytes.keys()


def test_the_table_and_the_plot_have_every_contender_and_name_no_folder(
    measured: results.Invocation, folder: Path
) -> None:
    table, plot = (folder / "speed.md").read_text(), (folder / "speed.svg").read_text()

    for one in measured.results:
        assert f"| {one.contender} |" in table
    assert "<svg" in plot
    assert all(str(folder.parent) not in text for text in (table, (folder / "speed.json").read_text()))
    assert measured.machine["cpu"] in table
    assert f"openvino {measured.versions['openvino']}" in table


def test_an_unknown_contender_is_told_who_there_is(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="There is no contender dask; there are article"):
        run.main([*SHORT.split(), "--contenders", "dask", "--output", str(tmp_path)])


def test_a_contender_that_fails_says_what_it_wrote(tmp_path: Path) -> None:
    with pytest.raises(ContenderFailed, match="exited with 3:\nwhat went wrong"):
        watch(["-c", "print('what went wrong'); raise SystemExit(3)"], tmp_path / "log.txt")


def test_a_process_that_is_left_behind_ends_with_its_contender(tmp_path: Path) -> None:
    leave = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print(p.pid)"

    watch(["-c", leave], tmp_path / "log.txt")

    left = int((tmp_path / "log.txt").read_text())
    # Where nobody reaps orphans it stays as a zombie, which does nothing.
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE
