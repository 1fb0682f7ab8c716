"""A DataFrame of photos in, predictions out: one row each, one version, really null where there is none."""

from pathlib import Path

import mlflow.pyfunc
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import InputError, ScoreOptions, Source, read, score
from mlruns_fixture import LABELS, ODD, PLAIN
from mlruns_fixture.build import Fixture
from registry import Registry, RegistryError

COLUMNS = [
    "path",
    "prediction",
    "status",
    "error",
    "model_name",
    "model_version",
    "model_digest",
    "scoring_run_id",
    "scored_at",
]


@pytest.fixture
def photos(spark: SparkSession, fixture: Fixture) -> DataFrame:
    return read(spark, Source(str(fixture.photos)))


def by_name(frame: DataFrame) -> dict[str, object]:
    return {Path(row.path).name: row for row in frame.collect()}


def test_every_photo_has_one_row_even_a_file_of_no_bytes(photos: DataFrame, fixture: Fixture) -> None:
    assert sorted(by_name(score(photos, "models:/colours/Production"))) == sorted([*PLAIN, *ODD])


def test_the_columns_and_types_are_those_of_the_contract(photos: DataFrame) -> None:
    scored = score(photos, "models:/colours/Production")
    assert scored.columns == COLUMNS
    types = dict(scored.dtypes)
    assert (
        types["prediction"] == "struct<label:string,score:float,top:array<struct<label:string,score:float>>>"
    )
    assert types["model_version"] == "int"
    assert types["scored_at"] == "timestamp"


@pytest.mark.parametrize(("stage", "number"), [("Production", 1), ("Staging", 2)])
def test_the_scores_are_the_golden_ones_of_that_version(photos, fixture, stage: str, number: int) -> None:
    rows = by_name(score(photos, f"models:/colours/{stage}"))
    for name, expected in fixture.golden[number].items():
        row = rows[name]
        assert row.model_version == number
        assert row.prediction.label == max(expected, key=expected.get)
        assert {top.label: top.score for top in row.prediction.top} == pytest.approx(expected, abs=1e-4)


def test_a_row_without_a_prediction_is_null_and_says_why(photos: DataFrame) -> None:
    rows = by_name(score(photos, "models:/colours/Production"))
    for name, (_, status) in ODD.items():
        assert rows[name].status == status
        assert (rows[name].prediction is None) == (status != "ok")
        assert (rows[name].error is None) == (status == "ok")


def test_the_nulls_are_sparks_own_and_no_strings(photos: DataFrame) -> None:
    scored = score(photos, "models:/colours/Production").cache()
    assert scored.where("prediction IS NULL").count() == sum(status != "ok" for _, status in ODD.values())
    assert scored.where("error IN ('None', 'nan', '')").count() == 0


def test_a_table_keeps_the_keys_that_are_asked_for_and_a_null_photo_is_missing(
    spark: SparkSession, fixture: Fixture
) -> None:
    jpeg = PLAIN["red-64x48.jpg"]
    table = spark.createDataFrame([(7, "a", jpeg), (8, "b", None)], "id int, shop string, photo binary")
    options = ScoreOptions(content_column="photo", keep=("id", "shop"))
    first, second = score(table, "models:/colours/1", options=options).orderBy("id").collect()
    assert (first.id, first.shop, first.prediction.label) == (7, "a", "red")
    assert (second.id, second.status, second.prediction) == (8, "missing", None)


def test_nothing_is_written_or_recorded_by_the_lazy_form(photos: DataFrame, fixture: Fixture) -> None:
    registry = Registry()
    version = registry.resolve("models:/colours/Production")
    score(photos, "models:/colours/Production").collect()
    assert registry.jobs_of(version) == []


def test_the_model_runs_once_for_each_row_whatever_is_done_with_the_result(
    spark: SparkSession, fixture: Fixture
) -> None:
    table = spark.createDataFrame([("a", PLAIN["red-64x48.jpg"])], "path string, content binary")
    scored = score(table, "models:/colours/Production")
    good = scored.where("status = 'ok' AND prediction.score > 0.1").select("path", "prediction.label")
    plan = good._jdf.queryExecution().executedPlan().toString()
    assert plan.count("ArrowEvalPython [") == 1
    assert [row.label for row in good.collect()] == ["red"]


def test_a_dataframe_that_waits_still_has_the_version_of_its_making(photos: DataFrame, fixture) -> None:
    scored = score(photos, "models:/colours/Production")
    Registry().promote("colours", 2, "Production", because="while it waits")
    assert {row.model_version for row in scored.collect()} == {1}


def test_params_reach_the_model(photos: DataFrame) -> None:
    options = ScoreOptions(top_k=2, batch_size=3, decode_threads=2)
    rows = score(photos, "models:/colours/Production", options=options).where("status = 'ok'").collect()
    assert {len(row.prediction.top) for row in rows} == {2}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ScoreOptions(content_column="picture"), "no column 'picture'"),
        (ScoreOptions(content_column="path"), "of type string, but photos must be binary"),
        (ScoreOptions(keep=("shop",)), "no column 'shop' to keep"),
        (ScoreOptions(precision="bf16"), "was not registered with precision 'bf16'"),
    ],
)
def test_input_that_does_not_fit_is_told_before_anything_runs(
    photos, options: ScoreOptions, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        score(photos, "models:/colours/Production", options=options)


def test_a_kept_column_may_not_take_a_predictions_name(spark: SparkSession, fixture) -> None:
    table = spark.createDataFrame([("x", b"")], "status string, content binary")
    with pytest.raises(InputError, match="'status' cannot be kept"):
        score(table, "models:/colours/1", options=ScoreOptions(keep=("status",)))


def test_an_unknown_stage_or_model_is_told_by_the_registry(photos: DataFrame) -> None:
    with pytest.raises(RegistryError, match="nobody"):
        score(photos, "models:/nobody/Production")


def test_artifacts_that_were_changed_are_refused_on_the_driver(
    photos, fixture, monkeypatch, tmp_path
) -> None:
    version = Registry().resolve("models:/colours/2")
    copy = Registry().fetch(version, tmp_path / "copy")
    graph = copy / "artifacts" / "model" / "model.xml"
    graph.write_text(graph.read_text() + " ")
    with pytest.raises(ValueError, match=r"model\.xml.* is not the file that was packaged"):
        mlflow.pyfunc.load_model(str(copy))


def test_the_labels_are_the_models_own(photos: DataFrame) -> None:
    labels = score(photos, "models:/colours/Production").select(F.explode("prediction.top.label"))
    assert {row[0] for row in labels.collect()} == set(LABELS)
