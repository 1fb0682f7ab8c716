"""Jobs with another transform or decoding: registered, named, scored on Spark; or told clearly why not."""

import json
from pathlib import Path

import pytest
import torch
from pyspark.sql import SparkSession
from safetensors.torch import save_file

from jobs import InputError, ScoreOptions, Source, read, score
from mlruns_fixture import LABELS, ColourNet
from mlruns_fixture.build import Fixture
from mlruns_fixture.photos import draw_golden
from pyfunc_models import Preprocess
from pyfunc_models.packaging import PackageOptions, package
from registry import ModelVersion, Registry
from tests.clusters import run_command

# So small that photos of 64 x 48 are reduced.
SMALL = Preprocess(resize=20, crop=(16, 16), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


@pytest.fixture
def both(fixture: Fixture, tmp_path: Path) -> ModelVersion:
    """A version with fast and reduced."""
    golden = draw_golden(tmp_path / "golden", 24)
    options = PackageOptions(transforms=("fast",), decodes=("reduced",), golden=golden)
    packaged = package(ColourNet(), SMALL, LABELS, into=tmp_path / "packaged", options=options)
    return Registry().register(packaged, "colours").version


def scores(
    spark: SparkSession, photos: Path, version: ModelVersion, **chosen: str
) -> dict[str, tuple[str, float]]:
    scored = score(read(spark, Source(str(photos))), version, options=ScoreOptions(**chosen))
    rows = scored.select("path", "status", "prediction.label", "prediction.score").collect()
    assert [row.status for row in rows] == ["ok"] * 20
    return {row.path: (row.label, row.score) for row in rows}


def test_a_job_takes_what_the_version_has_and_answers_nearly_the_same(
    spark: SparkSession, both: ModelVersion, tmp_path: Path
) -> None:
    photos = draw_golden(tmp_path / "photos", 20, seed=1)
    exact = scores(spark, photos, both)
    others = [
        scores(spark, photos, both, **chosen)
        for chosen in (
            {"transform": "fast"},
            {"decode": "reduced"},
            {"transform": "fast", "decode": "reduced"},
        )
    ]
    for found in others:
        assert sum(found[path][0] == exact[path][0] for path in exact) >= 19
        assert 0 < max(abs(found[path][1] - exact[path][1]) for path in exact) < 0.1
    assert len({tuple(sorted(found.items())) for found in others}) == 3


def test_what_was_measured_is_on_the_version(both: ModelVersion) -> None:
    assert (both.precisions, both.transforms, both.decodes) == (
        ("f32",),
        ("exact", "fast"),
        ("full", "reduced"),
    )
    measured = both.measured
    assert measured["reduced"]["reduced"] == 24
    assert {"agreement", "largest_pixel_difference", "mean_pixel_difference", "mean_difference"} <= set(
        measured["fast"]
    )
    assert both.tags["stagewright.measured.fast.agreement"] == str(measured["fast"]["agreement"])


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"transform": "fast"}, "not registered with transform 'fast', only with exact.*--transform fast"),
        ({"decode": "reduced"}, "not registered with decode 'reduced', only with full.*--decode reduced"),
    ],
    ids=["transform", "decode"],
)
def test_a_version_without_it_is_told_on_the_driver(
    spark: SparkSession, fixture: Fixture, chosen: dict[str, str], told: str
) -> None:
    photos = read(spark, Source(str(fixture.photos)))
    with pytest.raises(InputError, match=told):
        score(photos, "models:/colours/Production", options=ScoreOptions(**chosen))


def test_the_command_tells_it_before_spark_starts(stagewright: str, fixture: Fixture, tmp_path: Path) -> None:
    # A master that does not exist: had Spark been asked, that would be the complaint.
    done = run_command(
        [
            stagewright, "score", "models:/colours/Production", "--transform", "fast", "--master", "nowhere",
            "--input", str(fixture.photos), "--output", str(tmp_path / "out"),
        ],
        env={"MLFLOW_TRACKING_URI": fixture.uri},
    )  # fmt: skip
    assert done.returncode == 2
    assert "not registered with transform 'fast', only with exact" in done.stderr


def test_register_measures_what_it_is_asked_for(stagewright: str, fixture: Fixture, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_file(ColourNet().state_dict(), tmp_path / "weights.safetensors")
    golden = draw_golden(tmp_path / "golden", 24)
    command = [
        stagewright, "register", "measured", "--architecture", "mlruns_fixture:ColourNet", "--weights",
        str(tmp_path / "weights.safetensors"), "--resize", "20", "--crop", "16", "--golden", str(golden),
        "--transform", "fast", "--decode", "reduced", "--json",
    ]  # fmt: skip
    env, here = {"MLFLOW_TRACKING_URI": fixture.uri}, Path(__file__).parents[2]
    done = run_command(command, env=env, cwd=here)
    assert done.returncode == 0, done.stderr
    version = Registry().resolve(json.loads(done.stdout)["uri"])
    assert set(version.measured) == {"fast", "reduced"}
    larger = [argument.replace("20", "40") if argument == "20" else argument for argument in command]
    refused = run_command(larger, env=env, cwd=here)
    assert refused.returncode == 2
    assert "0 were really reduced" in refused.stderr
