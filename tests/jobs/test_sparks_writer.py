"""What only Spark's own writer does: partitions, its options, tables; in one go."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from jobs import InputError, Sink
from jobs.cli import main
from jobs.scoring import sinks
from mlruns_fixture import ODD, PLAIN
from mlruns_fixture.build import Fixture

PHOTOS = len(PLAIN) + len(ODD)


def score(fixture: Fixture, *options: str) -> int:
    photos = ("--input", str(fixture.photos), "--max-error-rate", "1", "--json")
    return main(["score", "models:/colours/Production", *photos, *options])


def test_a_folder_a_value_with_an_option_of_the_writer(
    spark: SparkSession, fixture: Fixture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    parted = (
        "--partition-by",
        "model_version",
        "--partition-by",
        "status",
        "--output-option",
        "compression=gzip",
    )

    assert score(fixture, "--output", str(output), *parted) == 0

    said = capsys.readouterr()
    assert "in one go" in said.err
    by_status = json.loads(said.out)["by_status"]
    assert {f"status={name}" for name, rows in by_status.items() if rows} == {
        each.name for each in (output / "model_version=1").iterdir()
    }
    files = list((output / "model_version=1" / "status=ok").glob("*.gz.parquet"))
    assert sum(pq.read_metadata(file).num_rows for file in files) == by_status["ok"]
    assert score(fixture, "--output", str(output), *parted) == 2, "what is there is never overwritten"


def test_a_table_of_the_catalog(
    spark: SparkSession, fixture: Fixture, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        assert score(fixture, "--output-table", "scored_photos") == 0
        assert spark.table("scored_photos").count() == PHOTOS
        assert json.loads(capsys.readouterr().out)["output"] == "scored_photos"
        assert score(fixture, "--output-table", "scored_photos") == 2
        assert "There is a table 'scored_photos' already" in capsys.readouterr().err
    finally:
        spark.sql("DROP TABLE IF EXISTS scored_photos")


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        (Sink("out", partition_by=("prediction",)), "takes one of path, status, and not 'prediction'"),
        (Sink("out", partition_by=("colour",)), "and not 'colour'"),
        (Sink("out", partition_by=("status", "status")), "names a column twice"),
        (Sink("out", "nosuchformat", partition_by=("status",)), "cannot write predictions as 'nosuchformat'"),
        (Sink("nowhere.scored", is_table=True), "There is no place for a table 'nowhere.scored'"),
    ],
    ids=["struct", "no column", "twice", "format", "schema"],
)
def test_what_cannot_be_written_is_named(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sink: Sink, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = spark.createDataFrame(
        [("a", ("red",), "ok")], "path string, prediction struct<label: string>, status string"
    )
    with pytest.raises(InputError, match=said):
        sinks.write(rows, sink)


def test_a_name_that_is_none_is_told_before_a_photo_is_read(spark: SparkSession) -> None:
    with pytest.raises(InputError, match="cannot name a table"):
        sinks.check(spark, Sink("a b c", is_table=True))


@pytest.mark.parametrize("options", [(), ("--output", "a", "--output-table", "b")])
def test_predictions_go_to_one_place(
    spark: SparkSession, fixture: Fixture, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(fixture, *options) == 2
    assert "--output PATH or to --output-table NAME" in capsys.readouterr().err
