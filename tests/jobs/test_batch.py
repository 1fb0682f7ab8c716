"""The whole job: sources, sink, budget, report and the run that it leaves."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import ErrorBudgetExceeded, InputError, JobFailed, ScoreJob, ScoreOptions, Sink, Source, read, run
from mlruns_fixture import LABELS, ODD, PLAIN, PREPROCESS, ColourNet
from mlruns_fixture.build import Fixture
from pyfunc_models.image_model import OwnCode
from pyfunc_models.packaging import PackageOptions, package
from registry import Registry, RunStatus

BAD = sum(status != "ok" for _, status in ODD.values())


def job(fixture: Fixture, output: Path, **others: object) -> ScoreJob:
    source = others.pop("source", Source(str(fixture.photos)))
    return ScoreJob("models:/colours/Production", source, Sink(str(output)), **others)  # type: ignore[arg-type]


def ignore(line: str) -> None:
    """Progress that nobody reads."""


def test_the_report_counts_every_row_by_status_and_the_run_keeps_the_counts(spark, fixture, tmp_path) -> None:
    report = run(spark, Registry(), job(fixture, tmp_path / "out", max_error_rate=1.0), ignore)
    assert report.rows == len(PLAIN) + len(ODD)
    assert report.by_status == {
        "ok": report.rows - BAD, "empty": 1, "undecodable": 1, "truncated": 1, "unsupported": 1
    }  # fmt: skip
    assert spark.read.parquet(str(tmp_path / "out")).count() == report.rows
    kept = Registry().run(report.scoring_run_id)
    assert kept.status is RunStatus.FINISHED
    assert kept.metrics["rows"] == report.rows
    assert kept.metrics["status_truncated"] == 1
    assert kept.metrics["error_rate"] == pytest.approx(BAD / report.rows)


def test_too_many_bad_photos_fail_the_job_after_everything_is_written(spark, fixture, tmp_path) -> None:
    with pytest.raises(ErrorBudgetExceeded, match=r"18\.18% of 22 rows .* 1\.00%") as caught:
        run(spark, Registry(), job(fixture, tmp_path / "out"), ignore)
    assert spark.read.parquet(str(tmp_path / "out")).count() == caught.value.report.rows
    assert Registry().run(caught.value.report.scoring_run_id).status is RunStatus.FAILED


def test_a_budget_that_holds_is_not_exceeded(spark, fixture, tmp_path) -> None:
    allowed = job(fixture, tmp_path / "out", max_error_rate=BAD / (len(PLAIN) + len(ODD)))
    assert run(spark, Registry(), allowed, ignore).by_status["ok"] == len(PLAIN) + len(ODD) - BAD


def test_predictions_that_are_there_already_are_never_overwritten(spark, fixture, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="name a folder that does not exist"):
        run(spark, Registry(), job(fixture, tmp_path / "out"), ignore)
    assert Registry().jobs_of(Registry().resolve("models:/colours/1")) == []


def test_a_glob_takes_what_it_matches_whatever_its_name(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(PLAIN["red-64x48.jpg"])
    (tmp_path / "two.JPG").write_bytes(PLAIN["red-64x48.jpg"])
    (tmp_path / "notes.txt").write_text("no photo")
    deeper = tmp_path / "deeper"
    deeper.mkdir()
    (deeper / "three.jpeg").write_bytes(PLAIN["red-64x48.jpg"])
    by_folder = {Path(row.path).name for row in read(spark, Source(str(tmp_path))).collect()}
    by_glob = {Path(row.path).name for row in read(spark, Source(str(tmp_path / "[no]*"))).collect()}
    assert by_folder == {"two.JPG", "three.jpeg"}
    assert by_glob == {"one", "notes.txt"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Source("/no/such/folder"), "There is nothing at '/no/such/folder'"),
        (Source("no_such_table", "table"), "Spark knows no table 'no_such_table'"),
        (Source("/tmp", "carrier-pigeon"), "Spark cannot read '/tmp' as 'carrier-pigeon'"),
    ],
)
def test_a_source_that_is_not_there_is_told(spark: SparkSession, source: Source, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(spark, source)


def test_a_folder_without_photos_is_told(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no photo")
    with pytest.raises(InputError, match="There is no photo in"):
        read(spark, Source(str(tmp_path)))


def test_a_table_by_name_is_scored_with_its_keys(spark: SparkSession, fixture, tmp_path) -> None:
    rows = [(i, content) for i, content in enumerate(PLAIN.values())]
    spark.createDataFrame(rows, "id int, photo binary").createOrReplaceTempView("shop_photos")
    options = ScoreOptions(content_column="photo", keep=("id",))
    wanted = job(fixture, tmp_path / "out", source=Source("shop_photos", "table"), options=options)
    assert run(spark, Registry(), wanted, ignore).rows == len(PLAIN)
    scored = spark.read.parquet(str(tmp_path / "out")).select("id", "prediction.label").collect()
    assert dict(map(tuple, scored)) == {i: name.partition("-")[0] for i, name in enumerate(PLAIN)}


def raise_it(outputs):
    raise RuntimeError("the scientist forgot something")


def test_a_job_that_spark_gives_up_says_what_the_worker_said(spark, fixture, tmp_path) -> None:
    own = PackageOptions(own_code=OwnCode(postprocess=raise_it))
    packaged = package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "broken", options=own)
    Registry().register(packaged, "broken")
    broken = ScoreJob("models:/broken/1", Source(str(fixture.photos)), Sink(str(tmp_path / "out")))
    with pytest.raises(JobFailed, match="RuntimeError: the scientist forgot something"):
        run(spark, Registry(), broken, ignore)
    (kept,) = Registry().jobs_of(Registry().resolve("models:/broken/1"))
    assert kept.status is RunStatus.FAILED


def test_progress_is_told_while_photos_are_read(spark, fixture, tmp_path, monkeypatch) -> None:
    from jobs import report

    monkeypatch.setattr(report, "PROGRESS_EVERY_S", 0.02)
    rows = [(str(i), content) for i, content in enumerate(list(PLAIN.values()) * 30)]
    spark.createDataFrame(rows, "path string, content binary").repartition(12).write.parquet(
        str(tmp_path / "t")
    )
    said: list[str] = []
    table = job(fixture, tmp_path / "out", source=Source(str(tmp_path / "t"), "parquet"))
    run(spark, Registry(), table, said.append)
    assert said[0] == "models:/colours/Production is models:/colours/1"
    told = [line for line in said if "images a second" in line]
    assert told
    assert all("tasks" in line and "left" in line for line in told)
