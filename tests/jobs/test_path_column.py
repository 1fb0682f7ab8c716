"""Tables whose rows name their photos by addresses, scored by whole jobs."""

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import Row, SparkSession

from jobs import ErrorBudgetExceeded, InputError, ScoreJob, ScoreOptions, Sink, Source, run, score
from jobs.cli import main
from jobs.scoring.place import tables
from mlruns_fixture.build import Fixture
from registry import Registry

from .addresses import PHOTO, web

HUGGING_FACE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def scored(output: Path) -> pd.DataFrame:
    return pq.read_table(output).to_pandas()


def test_a_table_of_addresses_is_scored_in_chunks_and_goes_on_where_it_was_stopped(
    spark: SparkSession, fixture: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_CHUNK_ROWS", 8)
    output, table = tmp_path / "scored", tmp_path / "table"
    table.mkdir()
    with web() as (server, asked):
        urls = [f"{server}/photo?{i}" for i in range(60)]
        odd = {
            f"{server}/404": "missing",
            f"{server}/403": "forbidden",
            "/etc/passwd": "forbidden",
            None: "missing",
        }
        pq.write_table(pa.table({"url": [*urls, *odd], "n": range(64)}), table / "a.parquet")
        job = ScoreJob(
            "models:/colours/Production",
            Source(str(table), "parquet"),
            Sink(str(output)),
            ScoreOptions(path_column="url", path_roots=(server,), keep=("n", "url")),
            max_error_rate=0.5,
            quarantine=str(tmp_path / "quarantine"),
        )
        said: list[str] = []
        assert run(spark, Registry(), job, said.append).by_status == {"ok": 60, "missing": 2, "forbidden": 2}
        chunks = sorted(output.glob("*.parquet"))
        assert len(chunks) > 4
        asked.clear()
        lost = pq.read_table(chunks[0])["url"].to_pylist()
        chunks[0].unlink()
        (output / "_stagewright" / "finished-0001.json").unlink()
        pq.write_table(pa.table({"url": [f"{server}/photo?new"], "n": [64]}), table / "b.parquet")
        assert run(spark, Registry(), job, said.append).rows == 65
        # What was there is not asked for once more.
        assert sum(asked.values()) <= len(lost) + 1
    rows = scored(output)
    assert sorted(rows["n"]) == list(range(65))
    statuses = dict(zip(pq.read_table(output)["url"].to_pylist(), rows["status"], strict=True))
    assert {url: statuses[url] for url in odd} == odd
    assert all(statuses[url] == "ok" for url in urls)
    assert set(scored(tmp_path / "quarantine")["status"]) == {"missing", "forbidden"}
    bad = rows[rows["status"] != "ok"]
    assert bad["prediction"].isna().all()
    assert bad["error"].str.startswith("no photo").all()


def test_the_command_takes_addresses_and_keeps_them_as_the_key(
    spark: SparkSession, fixture: Fixture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, photos, output = tmp_path / "table.json", tmp_path / "photos", tmp_path / "scored"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(PHOTO)
    table.write_text(
        "\n".join(json.dumps({"file": name}) for name in ("a.jpg", str(photos / "a.jpg"), "b.jpg"))
    )
    command = ["score", "models:/colours/Production", "--input", str(table), "--input-format", "json"]
    command += ["--output", str(output), "--path-column", "file", "--path-root", str(photos)]
    assert main([*command, "--max-error-rate", "0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["by_status"] == {"ok": 2, "missing": 1}
    assert Counter(scored(output)["file"]) == Counter(["a.jpg", str(photos / "a.jpg"), "b.jpg"])


def test_a_struct_of_bytes_and_path_is_followed_where_it_has_no_bytes(
    spark: SparkSession, fixture: Fixture, tmp_path: Path
) -> None:
    """The layout of data sets of images in Parquet, in a job and in a frame."""
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    images = [
        {"bytes": PHOTO, "path": "x.jpg"},
        {"bytes": None, "path": "a.jpg"},
        {"bytes": None, "path": "nothing.jpg"},
        {"bytes": None, "path": None},
        None,
        {"bytes": b"", "path": "a.jpg"},
    ]
    table = pa.table({"n": range(6), "image": pa.array(images, HUGGING_FACE)})
    pq.write_table(table, tmp_path / "table.parquet")
    options = ScoreOptions(content_column="image", keep=("n",), path_roots=(str(tmp_path),))
    source, output = Source(str(tmp_path / "table.parquet"), "parquet"), tmp_path / "scored"
    job = ScoreJob("models:/colours/Production", source, Sink(str(output)), options, max_error_rate=1)
    run(spark, Registry(), job, print)
    expected = ["ok", "ok", "missing", "missing", "missing", "empty"]
    assert list(scored(output).sort_values("n")["status"]) == expected
    frame = spark.read.parquet(source.path)
    rows = score(frame, "models:/colours/Production", options=options).orderBy("n").collect()
    assert [row.status for row in rows] == expected
    assert rows[1].prediction.label == "red"
    assert rows[2] == Row(
        **{**rows[2].asDict(), "prediction": None, "error": "no photo: there is no such file"}
    )


def test_too_many_addresses_without_a_photo_fail_the_job(
    spark: SparkSession, fixture: Fixture, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"url": ["/etc/passwd"] * 3}), tmp_path / "t.parquet")
    source = Source(str(tmp_path / "t.parquet"), "parquet")
    options = ScoreOptions(path_column="url", keep=("url",))
    with pytest.raises(ErrorBudgetExceeded, match="3 forbidden"):
        run(
            spark,
            Registry(),
            ScoreJob("models:/colours/1", source, Sink(str(tmp_path / "o")), options),
            print,
        )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--path-column", "url"], "--path-column names a column of a table"),
        (
            ["--path-column", "url", "--content-column", "image", "--input-format", "parquet"],
            "name one of them",
        ),
        (["--path-root", "ftp://host/photos"], "--path-root 'ftp://host/photos' is not where photos can be"),
        (["--path-root", "https://user:secret@host"], "is not where photos can be"),
    ],
)
def test_what_does_not_fit_is_told_before_spark_starts(
    fixture: Fixture, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], said: str
) -> None:
    command = [
        "score",
        "models:/colours/Production",
        "--input",
        str(tmp_path),
        "--output",
        str(tmp_path / "o"),
    ]
    assert main([*command, *given]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("nothing", "There is no column 'nothing'.*--path-column"),
        ("n", "'n' is of type bigint, but addresses must be"),
    ],
)
def test_a_column_that_holds_no_addresses_is_told(
    spark: SparkSession, fixture: Fixture, column: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        score(
            spark.range(1).withColumnRenamed("id", "n"),
            "models:/colours/1",
            options=ScoreOptions(path_column=column),
        )
