"""The benchmarks in short, by `make bench-smoke`: whole processes of one core, a tiny model, few photos.

Their figures mean nothing; that contenders give the same labels does.
"""

import json
from pathlib import Path

import pytest

from benchmarks import results, run, scale, startup
from benchmarks.architectures.__main__ import main as try_architectures

pytestmark = pytest.mark.usefixtures("migrated")

TINY = "timm:test_resnet"
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


@pytest.mark.timeout(600)
def test_a_job_over_a_table_is_timed_and_its_memory_watched(tmp_path: Path) -> None:
    assert scale.main(["--rows", "300", "600", "--cores", "1", "--output", str(tmp_path)]) == 0

    document = json.loads((tmp_path / "scale.json").read_text())
    assert [job["rows"] for job in document["jobs"]] == [300, 600]
    assert all(job["samples"] and job["peak_megabytes"]["max_jvm"] > 50 for job in document["jobs"])
    table = (tmp_path / "scale.md").read_text()
    assert "| 300 |" in table
    assert "2x the rows, from 300" in table
    assert "<svg" in (tmp_path / "scale.svg").read_text()


def test_start_up_is_told_part_by_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert startup.main(["--model", "colours", "--repeats", "1", "--cores", "1"]) == 0
    rows = [line.split("|")[1:3] for line in capsys.readouterr().out.splitlines()[2:]]
    seconds = {part.strip(): float(said.split()[0]) for part, said in rows}
    whole = seconds.pop("all")
    assert whole == pytest.approx(sum(seconds.values()), abs=0.05)
    assert {"start the JVM and the session", "stop"} < seconds.keys()
    assert min(seconds.values()) >= 0


def test_what_can_be_packaged_is_measured_and_nothing_is_done_twice(tmp_path: Path) -> None:
    record, table = tmp_path / "there" / "record.json", tmp_path / "table.md"
    asked = ["--record", str(record), "--table", str(table), "--seconds", "0.1", "--only", TINY]
    assert try_architectures(asked) == 0
    [tiny] = json.loads(record.read_text())["architectures"]
    assert (tiny["name"], tiny["reason"]) == (TINY, "")
    assert 0 < tiny["difference"] < 1e-3
    assert tiny["f32"] > 0
    assert tiny["parameters"] > 1000
    assert f"| `{TINY}` |" in table.read_text()
    before = record.read_bytes()
    assert try_architectures(asked) == 0
    assert record.read_bytes() == before
