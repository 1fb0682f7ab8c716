"""Jobs with another decoding: registered, scored on Spark, or told clearly why not; and what became of `fast`."""

import json
import tarfile
from pathlib import Path

import pytest
import torch
from pyspark.sql import SparkSession
from safetensors.torch import save_file

from jobs import CompareJob, InputError, ScoreOptions, Source, compare, read, score
from jobs.cli import main
from mlruns_fixture import LABELS, PLAIN, ColourNet
from mlruns_fixture.build import Fixture
from mlruns_fixture.photos import draw_golden
from pyfunc_models import Preprocess
from pyfunc_models.packaging import PackageOptions, package
from registry import ModelVersion, Registry
from tests.clusters import run_command

# So small that photos of 64 x 48 are reduced.
SMALL = Preprocess(resize=20, crop=(16, 16), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


@pytest.fixture
def reduced(fixture: Fixture, tmp_path: Path) -> ModelVersion:
    """A version with reduced."""
    golden = draw_golden(tmp_path / "golden", 24)
    options = PackageOptions(decodes=("reduced",), golden=golden)
    packaged = package(ColourNet(), SMALL, LABELS, into=tmp_path / "packaged", options=options)
    return Registry().register(packaged, "colours").version


@pytest.fixture
def flat(fixture: Fixture, tmp_path: Path) -> ModelVersion:
    """Packaged and registered before the wrapper had rooms, with `fast`: version 1's module, by other code."""
    archive = Path(__file__).parents[1] / "fixtures" / "colours-flat.tar.gz"
    with tarfile.open(archive) as files:
        files.extractall(tmp_path, filter="data")
    return Registry().register(tmp_path / "colours-flat", "colours").version


def scores(
    spark: SparkSession, photos: Path, version: ModelVersion, **chosen: str
) -> dict[str, tuple[str, float]]:
    scored = score(read(spark, Source(str(photos))), version, options=ScoreOptions(**chosen))
    rows = scored.select("path", "status", "prediction.label", "prediction.score").collect()
    assert [row.status for row in rows] == ["ok"] * 20
    return {row.path: (row.label, row.score) for row in rows}


def test_a_job_takes_what_the_version_has_and_answers_nearly_the_same(
    spark: SparkSession, reduced: ModelVersion, tmp_path: Path
) -> None:
    photos = draw_golden(tmp_path / "photos", 20, seed=1)
    full, found = scores(spark, photos, reduced), scores(spark, photos, reduced, decode="reduced")
    assert sum(found[path][0] == full[path][0] for path in full) >= 19
    assert 0 < max(abs(found[path][1] - full[path][1]) for path in full) < 0.1


def test_what_was_measured_is_on_the_version(reduced: ModelVersion) -> None:
    assert (reduced.precisions, reduced.transforms, reduced.decodes) == (
        ("f32",),
        ("exact",),
        ("full", "reduced"),
    )
    measured = reduced.measured["reduced"]
    assert measured["reduced"] == 24
    assert {"agreement", "largest_pixel_difference", "mean_pixel_difference", "mean_difference"} <= set(
        measured
    )
    assert reduced.tags["stagewright.measured.reduced.agreement"] == str(measured["agreement"])


def test_a_version_without_it_is_told_on_the_driver(spark: SparkSession, fixture: Fixture) -> None:
    photos = read(spark, Source(str(fixture.photos)))
    with pytest.raises(
        InputError, match=r"not registered with decode 'reduced', only with full.*--decode reduced"
    ):
        score(photos, "models:/colours/Production", options=ScoreOptions(decode="reduced"))


def test_the_command_tells_it_before_spark_starts(stagewright: str, fixture: Fixture, tmp_path: Path) -> None:
    # A master that does not exist: had Spark been asked, that would be the complaint.
    done = run_command(
        [
            stagewright, "score", "models:/colours/Production", "--decode", "reduced", "--master", "nowhere",
            "--input", str(fixture.photos), "--output", str(tmp_path / "out"),
        ],
        env={"MLFLOW_TRACKING_URI": fixture.uri},
    )  # fmt: skip
    assert done.returncode == 2
    assert "not registered with decode 'reduced', only with full" in done.stderr


def test_register_measures_what_it_is_asked_for(
    fixture: Fixture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    save_file(ColourNet().state_dict(), tmp_path / "weights.safetensors")
    golden = draw_golden(tmp_path / "golden", 24)
    command = [
        "register", "measured", "--architecture", "mlruns_fixture:ColourNet", "--weights",
        str(tmp_path / "weights.safetensors"), "--resize", "20", "--crop", "16", "--golden", str(golden),
        "--transform", "fast", "--decode", "reduced", "--json",
    ]  # fmt: skip
    assert main(command) == 0
    said = capsys.readouterr()
    assert "Photos are resized exactly: --transform fast" in said.err
    version = Registry().resolve(json.loads(said.out)["uri"])
    assert (set(version.measured), version.transforms) == ({"reduced"}, ("exact",))
    larger = [argument.replace("20", "40") if argument == "20" else argument for argument in command]
    assert main(larger) == 2
    assert "0 were really reduced" in capsys.readouterr().err


# --- versions of earlier days


def test_a_version_of_the_flat_layout_is_verified_and_scored_by_its_own_code(
    spark: SparkSession, fixture: Fixture, flat: ModelVersion, tmp_path: Path
) -> None:
    assert flat.transforms == ("exact", "fast")
    model = Registry().fetch(flat, tmp_path / "fetched")
    assert list(model.glob("code/pyfunc_models_*/big_files.py"))
    photos = read(spark, Source(str(fixture.photos / "*-*x*.jpg")))
    rows = score(photos, flat).select("path", "prediction.top", "status").collect()
    assert {row.status for row in rows} == {"ok"}
    found = {Path(row.path).name: {one.label: one.score for one in row.top} for row in rows}
    assert found.keys() == PLAIN.keys()
    for name, golden in fixture.golden[1].items():
        assert found[name] == pytest.approx(golden, abs=1e-5)


def test_what_was_registered_as_fast_is_read_as_exact_and_that_is_said(
    spark: SparkSession, flat: ModelVersion, tmp_path: Path
) -> None:
    photos = draw_golden(tmp_path / "photos", 20, seed=1)
    exact = scores(spark, photos, flat)
    with pytest.warns(UserWarning, match="Photos are resized exactly, not as transform='fast'"):
        assert scores(spark, photos, flat, transform="fast") == exact


def test_a_version_of_the_flat_layout_is_compared_with_one_of_today(
    spark: SparkSession, fixture: Fixture, flat: ModelVersion, tmp_path: Path
) -> None:
    source = Source(str(fixture.photos / "*-*x*.jpg"))
    job = CompareJob("models:/colours/1", flat.pinned_uri, source, str(tmp_path / "out"))
    found = compare(spark, Registry(), job, lambda line: None)
    assert (found.metrics["agreement"], found.metrics["photos"]) == (1, len(PLAIN))
    assert found.metrics["confidence_shift"] == pytest.approx(0, abs=1e-6)
    assert not found.decoded_once
