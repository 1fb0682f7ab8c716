"""Versions in one application: each runs its own code, and a promotion in the middle mixes nothing."""

import json
import threading
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import ScoreJob, ScoreOptions, Sink, Source, run, score
from mlruns_fixture import LABELS, PLAIN, PREPROCESS, ColourNet
from mlruns_fixture.build import Fixture
from pyfunc_models import carried
from pyfunc_models.packaging import PackageOptions, package
from pyfunc_models.worker.image_model import OwnCode
from registry import Registry
from tests.clusters import run_python


@pytest.fixture
def shouting_version(fixture: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A version whose wrapper has other code: it answers in capitals."""
    changed = tmp_path / "wrapper"
    for source in carried.HERE.rglob("*.py"):
        target = changed / source.relative_to(carried.HERE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.read_text())
    classifier = changed / "kinds" / "classifier.py"
    quiet = "self.labels = np.array(labels, dtype=object)"
    assert quiet in classifier.read_text()
    loud = "self.labels = np.array([label.upper() for label in labels], dtype=object)"
    classifier.write_text(classifier.read_text().replace(quiet, loud))
    monkeypatch.setattr(carried, "HERE", changed)
    packaged = package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "shouting")
    return Registry().register(packaged, "colours").version.pinned_uri


SCORE_WITH_BOTH = """
    import json, os, sys
    import pandas as pd
    from pyspark.sql import SparkSession
    from jobs import score

    def look(batches):
        for _ in batches:
            wrappers = {name.partition(".")[0] for name in sys.modules if name.startswith("pyfunc_models_")}
            yield pd.DataFrame({"pid": [os.getpid()], "wrappers": [len(wrappers)]})

    spark = SparkSession.builder.getOrCreate()
    # By Spark: a worker process of its own that reads them could be the one that looks.
    photos = spark.read.format("binaryFile").load(sys.argv[1]).coalesce(1)
    labels = []
    for _ in range(2):
        for uri in sys.argv[2:]:
            rows = score(photos, uri).where("status = 'ok'").select("prediction.label").distinct().collect()
            labels.append(sorted(row.label for row in rows))
    looks = spark.range(1, numPartitions=1).mapInPandas(look, "pid long, wrappers long").collect()
    print(json.dumps({"labels": labels, "wrappers": [row.wrappers for row in looks]}))
"""


def test_two_versions_with_other_code_answer_each_with_its_own_in_one_python_process(
    shouting_version: str, fixture: Fixture
) -> None:
    # One core: Spark has one Python worker, and keeps it from job to job.
    done = run_python(
        SCORE_WITH_BOTH,
        args=[str(fixture.photos), "models:/colours/1", shouting_version],
        master="local[1]",
        env={"MLFLOW_TRACKING_URI": fixture.uri, "PYTHONPATH": str(Path(__file__).parents[2])},
    ).check()
    said = json.loads(done.stdout.splitlines()[-1])
    quiet, loud = sorted(LABELS), sorted(label.upper() for label in LABELS)
    assert said == {"labels": [quiet, loud, quiet, loud], "wrappers": [2]}


class WaitsFor:
    """A transform that lets photos through only when a file is there."""

    def __init__(self, file: Path) -> None:
        self.file = str(file)

    def __call__(self, image):
        import os
        import time

        deadline = time.monotonic() + 60
        while not os.path.exists(self.file) and time.monotonic() < deadline:  # noqa: PTH110
            time.sleep(0.01)
        return image


def test_a_promotion_while_a_job_runs_leaves_one_version_in_all_of_its_rows(
    spark: SparkSession, fixture: Fixture, tmp_path: Path
) -> None:
    gate = tmp_path / "go"
    own = PackageOptions(own_code=OwnCode(transform=WaitsFor(gate)))
    packaged = package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "waiting", options=own)
    registry = Registry()
    waiting = registry.register(packaged, "colours").version
    registry.promote("colours", waiting.number, "Production", because="before the job")
    table = spark.createDataFrame(
        [(f"{i}", PLAIN["red-64x48.jpg"]) for i in range(40)], "path string, content binary"
    )
    table.repartition(8).write.parquet(str(tmp_path / "table"))
    job = ScoreJob(
        "models:/colours/Production", Source(str(tmp_path / "table"), "parquet"), Sink(str(tmp_path / "out"))
    )
    reports = []
    worker = threading.Thread(target=lambda: reports.append(run(spark, registry, job, lambda line: None)))
    worker.start()
    _wait_for_a_task(spark)
    registry.promote("colours", 2, "Production", because="in the middle of the job")
    assert worker.is_alive()
    gate.touch()
    worker.join(timeout=120)
    versions = spark.read.parquet(str(tmp_path / "out")).groupBy("model_version").count().collect()
    assert [(row.model_version, row["count"]) for row in versions] == [(waiting.number, 40)]
    assert reports[0].model_version == waiting.number
    assert registry.resolve("models:/colours/Production").number == 2


def _wait_for_a_task(spark: SparkSession) -> None:
    tracker = spark.sparkContext.statusTracker()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        if any(stage and stage.numActiveTasks for stage in stages):
            return
        time.sleep(0.05)
    raise AssertionError("no task of the job started within 60 s")


def test_both_ways_of_naming_a_version_score_the_same(spark: SparkSession, fixture: Fixture) -> None:
    photos = spark.createDataFrame(list(PLAIN.items()), "path string, content binary")
    options = ScoreOptions(run_id="same")
    by_stage = score(photos, "models:/colours/Production", options=options).drop("scored_at")
    by_alias = score(photos, "models:/colours@production", options=options).drop("scored_at")
    assert sorted(by_stage.collect()) == sorted(by_alias.collect())
