"""On real `spark://` clusters: nothing of ours is installed on the executors, and each loads a model once."""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from jobs import Source, read, score
from mlruns_fixture import LABELS, ODD, PLAIN
from mlruns_fixture.build import Fixture
from registry import Registry, RunStatus
from tests.clusters import SparkCluster, python_with_only, run_python
from tests.project.pages import blocks

PHOTOS = len(PLAIN) + len(ODD)
TRUTH = {name: LABELS.index(name.partition("-")[0]) for name in PLAIN}


def score_in_20_tasks(spark: SparkSession, folder: str, model: str) -> dict[str, Any]:
    """The labels, and what there is in each worker process afterwards."""
    photos = read(spark, Source(folder)).repartition(20)
    before = {look["pid"]: look["loads"] for look in looked_into_workers(spark)}
    rows = score(photos, model).collect()
    looks = looked_into_workers(spark)
    return {
        "labels": {Path(row.path).name: row.prediction.label if row.prediction else None for row in rows},
        "tasks": photos.rdd.getNumPartitions(),
        "looks": [{**look, "loads": look["loads"] - before.get(look["pid"], 0)} for look in looks],
    }


def looked_into_workers(spark: SparkSession) -> list[dict[str, Any]]:
    """Each Python worker: its id, how many models it has loaded, and which of our packages can be imported there."""

    def look(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        # Modules that the model brought along; nobody imported them by name.
        for _ in batches:
            stores = [
                m
                for n, m in sys.modules.items()
                if n.startswith("pyfunc_models_") and n.endswith("model_store")
            ]
            roots = {n.partition(".")[0] for n in sys.modules}
            yield pd.DataFrame(
                {
                    "pid": [f"{os.environ.get('SPARK_EXECUTOR_DIRS', '')}{os.getpid()}"],
                    "stores": [len(stores)],
                    "loads": [sum(store.loads() for store in stores)],
                    "ours": [",".join(sorted(roots & {"registry", "jobs", "pyfunc_models", "torch"}))],
                }
            )

    probe = spark.range(20, numPartitions=20).mapInPandas(
        look, "pid string, stores long, loads long, ours string"
    )
    return [row.asDict() for row in probe.distinct().collect()]


def score_with_2_gpus(spark: SparkSession, folder: str, model: str) -> dict[str, Any]:
    """How many photos were scored, and which device each of two tasks at once was given."""

    def where(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for _ in batches:
            name = next(n for n in sys.modules if n.startswith("pyfunc_models_") and n.endswith(".device"))
            os.environ.pop("STAGEWRIGHT_DEVICE")
            time.sleep(1)  # so that both tasks are there at once
            yield pd.DataFrame({"device": [str(sys.modules[name].current())]})

    ok = score(read(spark, Source(folder)).repartition(2), model).where("status = 'ok'").count()
    devices = spark.range(2, numPartitions=2).mapInPandas(where, "device string").collect()
    return {"ok": ok, "devices": sorted(row.device for row in devices)}


# One process for all: what starting another would take is no part of any.
DRIVER = """
    import json, os, shlex, sys
    sys.path.append(sys.argv[2])  # as PYTHONPATH executors would get it, too
    from pyspark.sql import SparkSession
    from jobs.cli import main
    from tests.jobs import test_cluster

    def say(text):
        print(text, test_cluster.NEXT, sep="", flush=True)

    scripts, commands = json.loads(sys.argv[1])
    for name, arguments, conf in scripts:
        spark = SparkSession.builder.config(map=conf).getOrCreate()
        said = getattr(test_cluster, name)(spark, *arguments)
        spark.stop()
        say(json.dumps(said))
    del os.environ["PYSPARK_PYTHON"]
    for line in commands:
        if code := main(shlex.split(line)[1:]):
            sys.exit(code)
        say("")
"""
NEXT = "--- next"
ONE_EXECUTOR = "--conf spark.cores.max=1"
GPUS = {
    "spark.executor.cores": "2",
    "spark.executor.resource.gpu.amount": "2",
    "spark.task.resource.gpu.amount": "1",
    "spark.executorEnv.STAGEWRIGHT_DEVICE": "cpu",
}


@dataclass(frozen=True, slots=True)
class OnACluster:
    """What a driver process said that did it all, one after the other, and the registry that it did it in."""

    registry: str
    of_20_tasks: dict[str, Any]
    of_2_gpus: dict[str, Any]
    doctor: str
    score: dict[str, Any]
    compare: dict[str, Any]


@pytest.fixture(scope="module")
def executor_python(colours_registry: Fixture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has what the model's requirements.txt asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("executor")
    registry = Registry(colours_registry.uri)
    model = registry.fetch(registry.resolve("models:/colours/1"), folder / "model")
    return python_with_only((model / "requirements.txt").read_text().splitlines(), folder / "python")


@pytest.fixture(scope="module")
def on_a_cluster(
    spark_cluster: SparkCluster,
    executor_python: Path,
    colours_registry: Fixture,
    tmp_path_factory: pytest.TempPathFactory,
) -> OnACluster:
    folder = tmp_path_factory.mktemp("on-a-cluster")
    shutil.copyfile(colours_registry.uri.removeprefix("sqlite:///"), folder / "mlflow.db")
    registry, photos = f"sqlite:///{folder / 'mlflow.db'}", str(colours_registry.photos)
    doctor, scoring = pages_commands(spark_cluster.url, executor_python, photos, folder / "predictions")
    labels = folder / "labels.csv"
    labels.write_text("file,class_index\n" + "".join(f"{name},{index}\n" for name, index in TRUTH.items()))
    compare = (
        f"stagewright compare models:/colours/1 models:/colours/2 --input {photos} --labels {labels} --json"
        f" --output {folder / 'compared'} --master {spark_cluster.url} {ONE_EXECUTOR}"
    )
    scripts = [
        ("score_in_20_tasks", [photos, "models:/colours/Production"], {}),
        ("score_with_2_gpus", [photos, "models:/colours/1"], GPUS),
    ]
    commands = [f"{doctor} {ONE_EXECUTOR}", f"{scoring} --max-error-rate 1 --json {ONE_EXECUTOR}", compare]
    done = run_python(
        DRIVER,
        args=[json.dumps([scripts, commands]), str(Path(__file__).parents[2])],
        master=spark_cluster.url,
        env={
            "MLFLOW_TRACKING_URI": registry,
            "PYSPARK_PYTHON": str(executor_python),
            "CUDA_VISIBLE_DEVICES": None,
        },
    ).check()
    of_20_tasks, of_2_gpus, checked, *documents, _ = done.stdout.split(NEXT)
    said = [json.loads(each) for each in (of_20_tasks, of_2_gpus, *documents)]
    return OnACluster(registry, said[0], said[1], checked, *said[2:])


def pages_commands(master: str, python: Path, photos: str, output: Path) -> list[str]:
    """Those of docs/clusters.md, with what is there on this machine in place of what they name."""
    here = {
        "spark://head:7077": master,
        "/opt/env/bin/python": str(python),
        "/shared/photos": photos,
        "/shared/predictions": str(output),
        "models:/flowers/Production": "models:/colours/Staging",
        "spark.executor.cores=4": "spark.executor.cores=1",
    }
    shown = [line for block in blocks("docs/clusters.md") if block.reason is None for line in block.lines]
    for word, instead in here.items():
        shown = [line.replace(word, instead) for line in shown]
    return shown


def check_20_tasks(said: Mapping[str, Any]) -> None:
    assert said["tasks"] == 20
    assert len(said["labels"]) == PHOTOS
    assert {name: label for name, label in said["labels"].items() if name in PLAIN} == {
        name: name.partition("-")[0] for name in PLAIN
    }


def test_20_tasks_load_the_model_once_per_process_on_executors_that_have_only_its_requirements(
    on_a_cluster: OnACluster,
) -> None:
    said = on_a_cluster.of_20_tasks
    check_20_tasks(said)
    assert [look["loads"] for look in said["looks"]] == [1, 1], "one worker process on each of two executors"
    assert {look["ours"] for look in said["looks"]} == {""}


def test_20_tasks_load_the_model_once_per_process_on_a_local_master(
    spark: SparkSession, fixture: Fixture
) -> None:
    said = score_in_20_tasks(spark, str(fixture.photos), "models:/colours/Production")
    check_20_tasks(said)
    assert any(look["stores"] for look in said["looks"])
    assert {look["loads"] for look in said["looks"]} <= {0, 1}, "0: a worker that had it from another test"


def test_the_page_s_commands_run_on_a_cluster_and_leave_the_run_with_the_version(
    on_a_cluster: OnACluster,
) -> None:
    assert "golden" in on_a_cluster.doctor
    said = on_a_cluster.score
    assert (said["rows"], said["model_version"], said["by_status"]["ok"]) == (PHOTOS, 2, PHOTOS - 4)
    registry = Registry(on_a_cluster.registry)
    jobs = {run.run_id: run for run in registry.jobs_of(registry.resolve("models:/colours/2"))}
    run = jobs[said["scoring_run_id"]]
    assert run.status is RunStatus.FINISHED
    assert run.metrics["rows"] == PHOTOS
    assert registry.model_of(run.run_id).number == 2


def test_a_cluster_compares_too(on_a_cluster: OnACluster) -> None:
    said = on_a_cluster.compare
    assert (said["metrics"]["agreement"], said["metrics"]["top1"], said["decoded_once"]) == (1, 1, True)


def test_two_tasks_of_one_worker_get_the_two_gpus_that_spark_gave_them(on_a_cluster: OnACluster) -> None:
    assert on_a_cluster.of_2_gpus == {"ok": PHOTOS - 4, "devices": ["cuda:0", "cuda:1"]}
