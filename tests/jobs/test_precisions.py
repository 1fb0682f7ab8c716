"""Jobs at another precision than f32: registered, named, scored on Spark; or told clearly why not."""

from pathlib import Path

import openvino as ov
import pytest
from pyspark.sql import SparkSession

from jobs import InputError, ScoreOptions, Source, read, score
from mlruns_fixture import LABELS, PREPROCESS, ColourNet
from mlruns_fixture.build import Fixture
from mlruns_fixture.photos import draw_golden
from pyfunc_models.packaging import PackageOptions, PackagingError, package
from registry import ModelVersion, Registry

HAS_BF16 = "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def register(folder: Path, *precisions: str) -> ModelVersion:
    options = PackageOptions(precisions=precisions, golden=draw_golden(folder / "golden", 60))
    packaged = package(ColourNet(), PREPROCESS, LABELS, into=folder / "packaged", options=options)
    return Registry().register(packaged, "colours").version


def scores(spark: SparkSession, fixture: Fixture, version: ModelVersion, precision: str) -> dict[str, float]:
    photos = read(spark, Source(f"{fixture.photos}/*-*x*.jpg"))
    scored = score(photos, version, options=ScoreOptions(precision=precision))
    rows = scored.select("path", "status", "prediction.label", "prediction.score").collect()
    assert len(rows) == 12
    for row in rows:
        assert (row.status, row.label) == ("ok", Path(row.path).name.partition("-")[0])
    return {row.path: row.score for row in rows}


def assert_close_but_not_equal(exact: dict[str, float], rough: dict[str, float]) -> None:
    differences = [abs(exact[path] - rough[path]) for path in exact]
    assert 0 < max(differences) < 0.1


def test_a_job_runs_at_int8_where_the_version_has_it(
    spark: SparkSession, fixture: Fixture, tmp_path: Path
) -> None:
    version = register(tmp_path, "int8")
    exact, rough = (scores(spark, fixture, version, precision) for precision in ("f32", "int8"))
    assert_close_but_not_equal(exact, rough)
    with pytest.raises(InputError, match="not registered with precision 'bf16', only with f32, int8"):
        scores(spark, fixture, version, "bf16")


def test_a_job_runs_at_bf16_or_registering_says_that_this_cpu_has_none(
    spark: SparkSession, fixture: Fixture, tmp_path: Path
) -> None:
    if not HAS_BF16:
        with pytest.raises(PackagingError, match="bf16 cannot be measured on this machine"):
            register(tmp_path, "bf16")
        return
    version = register(tmp_path, "bf16")
    exact, rough = (scores(spark, fixture, version, precision) for precision in ("f32", "bf16"))
    assert_close_but_not_equal(exact, rough)
