"""`--max-pixels` in jobs: it reaches the workers, and a version that has no such choice says so before Spark starts."""

import tarfile
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import CompareJob, InputError, ScoreJob, ScoreOptions, Sink, Source, compare
from jobs.scoring import batch
from mlruns_fixture.build import Fixture
from registry import Registry

LIMIT = 64 * 48


def test_a_job_gives_the_limit_to_its_workers(spark: SparkSession, fixture: Fixture, tmp_path: Path) -> None:
    source = Source(str(fixture.photos / "red-*.jpg"))
    options = ScoreOptions(max_pixels=LIMIT)
    job = ScoreJob("models:/colours/1", source, Sink(str(tmp_path / "out")), options, max_error_rate=1)
    done = batch.run(spark, Registry(), job, lambda line: None)
    assert done.by_status == {"ok": 2, "too_large": 1}


def test_a_comparison_gives_it_to_both_sides(spark: SparkSession, fixture: Fixture, tmp_path: Path) -> None:
    source = Source(str(fixture.photos / "red-*.jpg"))
    options = ScoreOptions(max_pixels=LIMIT)
    job = CompareJob(
        "models:/colours/1",
        "models:/colours/2",
        source,
        str(tmp_path / "out"),
        options=options,
        max_error_rate=1,
    )
    done = compare(spark, Registry(), job, lambda line: None)
    assert done.a.by_status == done.b.by_status == {"ok": 2, "too_large": 1}


def test_a_version_of_before_there_was_a_choice_says_so(fixture: Fixture, tmp_path: Path) -> None:
    archive = Path(__file__).parents[1] / "fixtures" / "colours-flat.tar.gz"
    with tarfile.open(archive) as files:
        files.extractall(tmp_path, filter="data")
    flat = Registry().register(tmp_path / "colours-flat", "colours").version
    job = ScoreJob(
        flat.pinned_uri,
        Source(str(fixture.photos)),
        Sink(str(tmp_path / "out")),
        ScoreOptions(max_pixels=LIMIT),
    )
    with pytest.raises(InputError, match=r"takes no max_pixels; it takes .*register it again"):
        batch.check(Registry(), job)
