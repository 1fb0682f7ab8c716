"""On real `spark://` clusters: nothing of ours is installed on the executors, and each loads a model once."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
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

SCORE_IN_20_TASKS = """
    import json, sys
    from pyspark.sql import SparkSession
    from tests.jobs.test_cluster import score_in_20_tasks

    print(json.dumps(score_in_20_tasks(SparkSession.builder.getOrCreate(), *sys.argv[1:])))
"""


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


@pytest.fixture(scope="module")
def executor_python(colours_registry: Fixture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has what the model's requirements.txt asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("executor")
    registry = Registry(colours_registry.uri)
    model = registry.fetch(registry.resolve("models:/colours/1"), folder / "model")
    return python_with_only((model / "requirements.txt").read_text().splitlines(), folder / "python")


def environment(fixture: Fixture) -> dict[str, str | None]:
    root = Path(__file__).parents[2]
    return {"MLFLOW_TRACKING_URI": fixture.uri, "PYTHONPATH": str(root)}


def on_executors(python: Path, **more: str) -> dict[str, str]:
    # The driver's PYTHONPATH is this test's; executors must not get it.
    return {"spark.executorEnv.PYTHONPATH": "", "spark.pyspark.python": str(python), **more}


def check_20_tasks(said: Mapping[str, Any]) -> None:
    assert said["tasks"] == 20
    assert len(said["labels"]) == PHOTOS
    assert {name: label for name, label in said["labels"].items() if name in PLAIN} == {
        name: name.partition("-")[0] for name in PLAIN
    }


def test_20_tasks_load_the_model_once_per_process_on_executors_that_have_only_its_requirements(
    spark_cluster: SparkCluster, executor_python: Path, fixture: Fixture
) -> None:
    done = run_python(
        SCORE_IN_20_TASKS,
        args=[str(fixture.photos), "models:/colours/Production"],
        master=spark_cluster.url,
        conf=on_executors(executor_python),
        env={**environment(fixture), "PYSPARK_PYTHON": str(executor_python)},
    ).check()
    said = json.loads(done.stdout.splitlines()[-1])
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


NEXT = "--- next"
ONE_EXECUTOR = "--conf spark.cores.max=1"
COMMANDS = f"""
    import shlex, sys
    from jobs.cli import main
    for place, line in enumerate(sys.argv[1:]):
        if place:
            print("{NEXT}", flush=True)
        if code := main(shlex.split(line)[1:]):
            sys.exit(code)
"""


@pytest.fixture(scope="module")
def commands(
    spark_cluster: SparkCluster,
    executor_python: Path,
    colours_registry: Fixture,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Fixture, list[str]]:
    """A registry, and what the page's commands and a comparison said, one after the other in one process: what
    starting another would take is no part of them."""
    folder = tmp_path_factory.mktemp("commands")
    shutil.copyfile(colours_registry.uri.removeprefix("sqlite:///"), folder / "mlflow.db")
    fixture = Fixture(f"sqlite:///{folder / 'mlflow.db'}", colours_registry.photos, colours_registry.golden)
    here = {
        "spark://head:7077": spark_cluster.url,
        "/opt/env/bin/python": str(executor_python),
        "/shared/photos": str(fixture.photos),
        "/shared/predictions": str(folder / "predictions"),
        "models:/flowers/Production": "models:/colours/Staging",
        "spark.executor.cores=4": "spark.executor.cores=1",
    }
    shown = [line for block in blocks("docs/clusters.md") if block.reason is None for line in block.lines]
    for word, instead in here.items():
        shown = [line.replace(word, instead) for line in shown]
    doctor, score = shown
    labels = folder / "labels.csv"
    labels.write_text("file,class_index\n" + "".join(f"{name},{index}\n" for name, index in TRUTH.items()))
    compare = (
        f"stagewright compare models:/colours/1 models:/colours/2 --input {fixture.photos} --labels {labels}"
        f" --output {folder / 'compared'} --master {spark_cluster.url} {ONE_EXECUTOR} --json"
    )
    done = run_python(
        COMMANDS,
        args=[f"{doctor} {ONE_EXECUTOR}", f"{score} --max-error-rate 1 --json", compare],
        env={"MLFLOW_TRACKING_URI": fixture.uri, "PYSPARK_PYTHON": None},
    ).check()
    return fixture, done.stdout.split(NEXT)


def test_the_page_s_commands_run_on_a_cluster_and_leave_the_run_with_the_version(
    commands: tuple[Fixture, list[str]],
) -> None:
    fixture, (checked, scored, _) = commands
    assert "golden" in checked
    said = json.loads(scored)
    assert (said["rows"], said["model_version"], said["by_status"]["ok"]) == (PHOTOS, 2, PHOTOS - 4)
    registry = Registry(fixture.uri)
    jobs = {run.run_id: run for run in registry.jobs_of(registry.resolve("models:/colours/2"))}
    run = jobs[said["scoring_run_id"]]
    assert run.status is RunStatus.FINISHED
    assert run.metrics["rows"] == PHOTOS
    assert registry.model_of(run.run_id).number == 2


def test_a_cluster_compares_too(commands: tuple[Fixture, list[str]]) -> None:
    said = json.loads(commands[1][2])
    assert (said["metrics"]["agreement"], said["metrics"]["top1"], said["decoded_once"]) == (1, 1, True)


WHERE_TASKS_RUN = """
    import json, os, sys
    import pandas as pd
    from pyspark.sql import SparkSession
    from jobs import Source, read, score

    def where(batches):
        import importlib, os, sys, time
        for batch in batches:
            name = next(n for n in sys.modules if n.startswith("pyfunc_models_") and n.endswith(".device"))
            os.environ.pop("STAGEWRIGHT_DEVICE")
            time.sleep(1)  # so that both tasks are there at once
            yield pd.DataFrame({"device": [str(sys.modules[name].current())]})

    spark = SparkSession.builder.getOrCreate()
    photos = read(spark, Source(sys.argv[1])).repartition(2)
    ok = score(photos, "models:/colours/1").where("status = 'ok'").count()
    devices = spark.range(2, numPartitions=2).mapInPandas(where, "device string").collect()
    print(json.dumps({"ok": ok, "devices": sorted(row.device for row in devices)}))
"""


def test_two_tasks_of_one_worker_get_the_two_gpus_that_spark_gave_them(
    spark_cluster: SparkCluster, fixture: Fixture
) -> None:
    asked = {
        "spark.executor.cores": "2",
        "spark.executor.resource.gpu.amount": "2",
        "spark.task.resource.gpu.amount": "1",
        "spark.executorEnv.STAGEWRIGHT_DEVICE": "cpu",
    }
    done = run_python(
        WHERE_TASKS_RUN,
        args=[str(fixture.photos)],
        master=spark_cluster.url,
        conf=asked,
        env={**environment(fixture), "CUDA_VISIBLE_DEVICES": None},
    ).check()
    said = json.loads(done.stdout.splitlines()[-1])
    assert said == {"ok": PHOTOS - 4, "devices": ["cuda:0", "cuda:1"]}
