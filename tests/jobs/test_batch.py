"""The whole job: sources, sink, budget, report and the run that it leaves."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs import ErrorBudgetExceeded, InputError, JobFailed, ScoreJob, ScoreOptions, Sink, Source, read, run
from jobs.scoring.sources import _reader
from jobs.spark import progress
from mlruns_fixture import LABELS, ODD, PLAIN, PREPROCESS, ColourNet
from mlruns_fixture.build import Fixture
from pyfunc_models.packaging import PackageOptions, package
from pyfunc_models.worker.image_model import OwnCode
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
    (tmp_path / "out" / "part-0.parquet").touch()
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


def scored_rows(spark: SparkSession, output: Path) -> list[tuple[object, ...]]:
    frame = spark.read.parquet(str(output)).drop("scored_at", "scoring_run_id")
    return sorted(map(tuple, frame.collect()), key=str)


def test_workers_that_read_files_themselves_answer_as_where_spark_reads_them(
    spark: SparkSession, fixture: Fixture, tmp_path: Path
) -> None:
    photos = tmp_path / "photos in a folder"
    photos.mkdir()
    for name, content in {**PLAIN, **{name: content for name, (content, _) in ODD.items()}}.items():
        (photos / f"50%25 é #{name}").write_bytes(content)
    rows = []
    for format in ("images", "binaryFile"):
        output = tmp_path / format
        wanted = job(fixture, output, source=Source(str(photos), format), max_error_rate=1.0)
        run(spark, Registry(), wanted, ignore)
        rows.append([row for row in scored_rows(spark, output) if "empty" not in row])
    by_workers, by_spark = rows
    assert by_workers == by_spark
    assert len(by_spark) == len(PLAIN) + len(ODD) - 1  # of files of 0 bytes binaryFile says nothing


def test_photos_that_workers_read_themselves_are_not_read_by_spark(
    spark: SparkSession, fixture: Fixture
) -> None:
    source = Source(str(fixture.photos / "*-64x48.jpg"))
    paths = by_path(spark, source)
    assert paths is not None
    assert "ArrowEvalPython" not in plan(paths.select("path", "content"))
    assert "ArrowEvalPython" in plan(read(spark, source).select("path", "content"))
    assert "ArrowEvalPython" not in plan(read(spark, source).select("path", "length"))
    [first] = paths.select("path", "content").limit(1).collect()
    assert Path(bytes(first.content).decode()).read_bytes() == PLAIN[Path(first.path).name]


def test_tasks_have_about_as_many_photos_each_whatever_their_sizes(
    spark: SparkSession, tmp_path: Path, restored_conf: None
) -> None:
    for i in range(240):
        (tmp_path / f"{i:03}.jpg").write_bytes(bytes(6_000 if i < 60 else 300))
    spark.conf.set("spark.sql.files.openCostInBytes", "100")
    spark.conf.set("spark.sql.files.maxPartitionBytes", str(90 * 1024 // 4))
    source = Source(str(tmp_path))
    dealt = rows_of_tasks(by_path(spark, source))
    assert len(rows_of_tasks(read(spark, source))) == 20  # of bytes, each a quarter of those of paths
    # 438 kB in tasks of four times as much, 90 kB, are five, and six in whole rounds of two cores.
    assert len(dealt) == 6
    assert max(dealt) < 1.5 * min(dealt)  # each task of the scan deals evenly, but begins anywhere


def test_there_are_no_more_tasks_than_photos(
    spark: SparkSession, fixture: Fixture, restored_conf: None
) -> None:
    source = Source(str(fixture.photos / "*-64x48.jpg"))
    spark.conf.set("spark.sql.files.maxPartitionBytes", "1000")
    assert len(rows_of_tasks(by_path(spark, source))) == read(spark, source).count()


def rows_of_tasks(frame: DataFrame | None) -> list[int]:
    assert frame is not None
    return frame.select("path").rdd.mapPartitions(lambda rows: [sum(1 for _ in rows)]).collect()


@pytest.fixture
def restored_conf(spark: SparkSession) -> Iterator[None]:
    names = ("spark.sql.files.openCostInBytes", "spark.sql.files.maxPartitionBytes")
    before = {name: spark.conf.get(name) for name in names}
    yield
    for name, value in before.items():
        spark.conf.set(name, str(value))


def by_path(spark: SparkSession, source: Source) -> DataFrame | None:
    return _reader(source).rows(spark, source).by_path


def plan(frame: DataFrame) -> str:
    return frame._jdf.queryExecution().executedPlan().toString()


def test_a_table_has_its_bytes_scored_and_no_path_of_it_is_opened(
    spark: SparkSession, tmp_path: Path
) -> None:
    source = Source(str(tmp_path / "t"), "parquet")
    spark.createDataFrame([("a", b"/etc/hostname")], "path string, content binary").write.parquet(source.path)
    assert by_path(spark, source) is None


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


class OnlyAfter:
    """A postprocess that answers `free` times in all, and then only once the file `go` is there."""

    def __init__(self, folder: Path, free: int) -> None:
        self.calls, self.go, self.free = folder / "calls", folder / "go", free

    def __call__(self, outputs: np.ndarray) -> np.ndarray:
        with self.calls.open("a") as calls:
            calls.write("x")
        given_up = time.monotonic() + 60
        while self.calls.stat().st_size > self.free and not self.go.exists():
            if time.monotonic() > given_up:
                raise TimeoutError(f"nobody wrote {self.go}")
            time.sleep(0.01)
        return outputs


def test_progress_is_told_while_photos_are_scored_and_counts_those_that_are_read(
    spark, fixture, tmp_path, monkeypatch
) -> None:

    only_after = OnlyAfter(tmp_path, free=0)
    only_after.go.touch()
    own = PackageOptions(own_code=OwnCode(postprocess=only_after))
    Registry().register(package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "held", options=own), "held")
    only_after.go.unlink()
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(40):
        (photos / f"{i}.jpg").write_bytes(PLAIN["red-64x48.jpg"])
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if "rows a second" in line:
            only_after.go.touch()

    monkeypatch.setattr(progress, "EVERY_S", 0.02)
    run(spark, Registry(), ScoreJob("models:/held/1", Source(str(photos)), Sink(str(tmp_path / "out"))), say)
    assert said[0] == "models:/held/1 is models:/held/1"
    told = [line for line in said if "rows a second" in line]
    # What is read counts, for nothing was answered before a line was told.
    assert all(re.fullmatch(r"\d+ of 40 rows, .* rows a second, about .* left", line) for line in told)
    assert int(told[0].partition(" ")[0]) > 0
