"""`score --plan`: what would happen is said, and nothing of it happens."""

import hashlib
import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.cli import main
from mlruns_fixture import PLAIN
from mlruns_fixture.build import Fixture
from registry import Registry, Stage

PHOTO = PLAIN["red-64x48.jpg"]


@pytest.fixture
def folder(six_photos: Path) -> Path:
    (six_photos / "in" / "notes.txt").write_text("no photo")
    return six_photos


def everything(folder: Path) -> dict[str, str]:
    """All files, by their content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def score(folder: Path, *more: str) -> list[str]:
    given = ["--input", str(folder / "in"), "--output", str(folder / "out")]
    return ["score", "models:/colours/Production", *given, *more]


def test_a_plan_says_what_would_happen_and_writes_nothing(
    spark: SparkSession, fixture: Fixture, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Registry().promote("colours", 2, Stage.PRODUCTION, because="sharper on greens")
    before = everything(folder)
    assert main(score(folder, "--plan", "--json")) == 0
    said = json.loads(capsys.readouterr().out)
    assert everything(folder) == before
    assert (said["model"], said["becomes"]) == ("models:/colours/2", "begins it")
    allowed = said["allowed"]
    assert (allowed["stage"], allowed["because"], allowed["gates"]) == ("Production", "sharper on greens", [])
    work = said["work"]
    assert (work["rows"], work["done_rows"], work["done_chunks"], work["left"]) == (6, 0, 0, 6)
    assert work["chunks"] >= 1
    assert said["sample"]["by_status"] == {"ok": 6}
    assert said["sample"]["worker_bytes"] > 50e6
    assert said["seconds"] > 0


def test_a_plan_of_an_output_that_is_there_says_what_is_done_and_that_too_many_are_bad(
    spark: SparkSession, fixture: Fixture, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(score(folder)) == 0
    before = everything(folder)
    capsys.readouterr()
    assert main(score(folder, "--plan")) == 0
    assert "nothing new" in capsys.readouterr().out
    for i in range(2):
        (folder / "in" / f"cut-{i}.jpg").write_bytes(PHOTO[:200])
        before[f"in/cut-{i}.jpg"] = hashlib.sha256(PHOTO[:200]).hexdigest()
    assert main(score(folder, "--plan")) == 0
    said = capsys.readouterr().out
    assert everything(folder) == before
    assert "goes on with what is there" in said
    assert "8, of which 6 are there already" in said
    assert "25.0% have no prediction, more than --max-error-rate 1.00%" in said
    assert main(score(folder, "--plan", "--top-k", "2")) == 2


def test_a_plan_of_a_table_counts_its_rows(
    spark: SparkSession, fixture: Fixture, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(str(i), bytearray(PHOTO)) for i in range(5)]
    spark.createDataFrame(rows, "path string, content binary").write.parquet(str(folder / "table"))
    given = ["--input", str(folder / "table"), "--input-format", "parquet", "--output", str(folder / "out")]
    before = everything(folder)
    assert main(["score", "models:/colours/1", *given, "--plan", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert everything(folder) == before
    assert (said["work"]["rows"], said["sample"]["by_status"]) == (5, {"ok": 5})
