"""Jobs make their pages themselves: beside the output and in the run, of what is there."""

from pathlib import Path

import pyarrow.dataset as ds
import pytest
from mlflow import MlflowClient
from pyspark.sql import SparkSession

from jobs import ErrorBudgetExceeded, ScoreJob, Sink, Source, reports, run
from mlruns_fixture import PLAIN
from mlruns_fixture.build import Fixture
from registry import Registry

PHOTO = PLAIN["red-64x48.jpg"]


@pytest.fixture
def folder(six_photos: Path) -> Path:
    return six_photos


def job(folder: Path, **given: object) -> ScoreJob:
    sink = Sink(str(folder / "out"), str(given.pop("format", "parquet")))
    return ScoreJob("models:/colours/Production", Source(str(folder / "in")), sink, **given)  # type: ignore[arg-type]


def test_a_job_writes_its_page_beside_the_output_and_into_its_run(
    spark: SparkSession, fixture: Fixture, folder: Path
) -> None:
    said: list[str] = []
    done = run(spark, Registry(), job(folder), said.append)
    page = (folder / "out" / "_stagewright" / "report.html").read_text()
    logged = Path(MlflowClient().download_artifacts(done.scoring_run_id, "report.html", str(folder)))
    assert logged.read_text() == page
    assert not [line for line in said if "report" in line]
    for shown in (
        "Production",
        "models:/colours/1",
        done.model_digest,
        "red",
        "the job is finished",
        "cores busy",
    ):
        assert shown in page
    assert page.count('src="data:image/jpeg;base64,') >= 6
    assert ds.dataset(folder / "out").count_rows() == 6
    again = reports.report(Registry(), done.scoring_run_id)
    assert again.output == str(folder / "out")
    assert "6 photos are scored" in again.page


def test_a_page_says_what_changed_since_the_last_job_of_the_stage(
    spark: SparkSession, fixture: Fixture, folder: Path
) -> None:
    page = folder / "out" / "_stagewright" / "report.html"
    first = run(spark, Registry(), job(folder), lambda line: None)
    assert "There is no finished job of colours in stage Production before this one" in page.read_text()
    for i in range(60):
        (folder / "in" / f"blue-{i}.jpg").write_bytes(PLAIN["blue-64x48.jpg"])
    second = run(spark, Registry(), job(folder), lambda line: None)
    for shown in (
        f"version 1, 6 photos, run {first.scoring_run_id}",
        "Of this output, the 60 photos that were added since are held against it.",
        "100.0 % of photos are now &#39;blue&#39;, 0.0 % before",
    ):
        assert shown in page.read_text()
    made_again = reports.report(Registry(), second.scoring_run_id).page
    assert "the 60 photos that were added since" in made_again


def test_a_job_above_its_error_budget_has_a_page_too(
    spark: SparkSession, fixture: Fixture, folder: Path
) -> None:
    (folder / "in" / "7.jpg").write_bytes(PHOTO[:200])
    with pytest.raises(ErrorBudgetExceeded):
        run(spark, Registry(), job(folder, max_error_rate=0.1), lambda line: None)
    assert "JPEG is cut off after N bytes" in (folder / "out" / "_stagewright" / "report.html").read_text()


def test_a_delta_table_s_page_is_of_what_is_in_it(
    spark: SparkSession, fixture: Fixture, folder: Path
) -> None:
    run(spark, Registry(), job(folder, format="delta"), lambda line: None)
    page = (folder / "out" / "_stagewright" / "report.html").read_text()
    assert "6 photos are scored" in page
    assert "cores busy" in page


def test_a_page_that_cannot_be_written_costs_the_job_a_line_only(
    spark: SparkSession, fixture: Fixture, folder: Path
) -> None:
    (folder / "out" / "_stagewright" / "report.html").mkdir(parents=True)
    said: list[str] = []
    assert run(spark, Registry(), job(folder), said.append).rows == 6
    assert [line for line in said if line.startswith("The report could not be made or recorded")]
