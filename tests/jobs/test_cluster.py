"""On real `spark://` clusters: nothing of ours is installed on the executors, and each loads a model once."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlruns_fixture import LABELS, ODD, PLAIN
from mlruns_fixture.build import Fixture
from registry import Registry, RunStatus
from tests import leash
from tests.clusters import SparkCluster, python_with_only, run_command, run_python
from tests.project.pages import blocks

PHOTOS = len(PLAIN) + len(ODD)
TRUTH = {name: LABELS.index(name.partition("-")[0]) for name in PLAIN}

SCORE_IN_20_TASKS = """
    import json, sys
    from pathlib import Path
    import pandas as pd
    from pyspark.sql import SparkSession
    from jobs import Source, ScoreOptions, read, score

    def look_into_workers(batches):
        # Modules that the model brought along; nobody imported them by name.
        import os, sys
        for batch in batches:
            stores = [m for n, m in sys.modules.items() if n.startswith("pyfunc_models_") and n.endswith("model_store")]
            roots = {n.partition(".")[0] for n in sys.modules}
            yield pd.DataFrame({
                "pid": [f"{os.environ.get('SPARK_EXECUTOR_DIRS', '')}{os.getpid()}"],
                "loads": [sum(store.loads() for store in stores)],
                "ours": [",".join(sorted(roots & {"registry", "jobs", "pyfunc_models", "torch"}))],
            })

    spark = SparkSession.builder.getOrCreate()
    photos = read(spark, Source(sys.argv[1])).repartition(20)
    scored = score(photos, sys.argv[2])
    rows = scored.collect()
    probe = spark.range(20, numPartitions=20).mapInPandas(look_into_workers, "pid string, loads long, ours string")
    looks = [row.asDict() for row in probe.distinct().collect()]
    print(json.dumps({
        "labels": {Path(row.path).name: row.prediction.label if row.prediction else None for row in rows},
        "tasks": photos.rdd.getNumPartitions(),
        "looks": looks,
    }))
"""


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


def check_20_tasks(said: Mapping[str, object]) -> None:
    assert said["tasks"] == 20
    labels = said["labels"]
    assert isinstance(labels, dict)
    assert len(labels) == PHOTOS
    assert {name: label for name, label in labels.items() if name in PLAIN} == {
        name: name.partition("-")[0] for name in PLAIN
    }
    looks = said["looks"]
    assert isinstance(looks, list)
    assert {look["loads"] for look in looks} == {1}


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
    assert len(said["looks"]) == 2, "one worker process on each of two executors"
    assert {look["ours"] for look in said["looks"]} == {""}


def test_20_tasks_load_the_model_once_per_process_on_a_local_master(fixture: Fixture) -> None:
    done = run_python(
        SCORE_IN_20_TASKS,
        args=[str(fixture.photos), "models:/colours/Production"],
        master="local[2]",
        env=environment(fixture),
    ).check()
    check_20_tasks(json.loads(done.stdout.splitlines()[-1]))


COMMANDS = """
    import shlex, sys
    from jobs.cli import main
    for line in sys.argv[1:]:
        if code := main(shlex.split(line)[1:]):
            sys.exit(code)
"""


def test_the_page_s_commands_run_on_a_cluster_and_leave_the_run_with_the_version(
    spark_cluster: SparkCluster, executor_python: Path, fixture: Fixture, tmp_path: Path
) -> None:
    """One after the other in one process: what starting another would take is no part of them."""
    here = {
        "spark://head:7077": spark_cluster.url,
        "/opt/env/bin/python": str(executor_python),
        "/shared/photos": str(fixture.photos),
        "/shared/predictions": str(tmp_path / "predictions"),
        "models:/flowers/Production": "models:/colours/Staging",
        "spark.executor.cores=4": "spark.executor.cores=1",
    }
    commands = [line for block in blocks("docs/clusters.md") if block.reason is None for line in block.lines]
    for shown, instead in here.items():
        commands = [line.replace(shown, instead) for line in commands]
    doctor, score = commands
    done = run_python(
        COMMANDS,
        args=[doctor, f"{score} --max-error-rate 1 --json"],
        env={"MLFLOW_TRACKING_URI": fixture.uri, "PYSPARK_PYTHON": None},
    ).check()
    checked, _, document = done.stdout.partition("{")
    assert "golden" in checked
    said = json.loads("{" + document)
    assert (said["rows"], said["model_version"], said["by_status"]["ok"]) == (PHOTOS, 2, PHOTOS - 4)
    registry = Registry(fixture.uri)
    (run,) = registry.jobs_of(registry.resolve("models:/colours/2"))
    assert run.run_id == said["scoring_run_id"]
    assert run.status is RunStatus.FINISHED
    assert run.metrics["rows"] == PHOTOS
    assert registry.model_of(run.run_id).number == 2


def test_a_cluster_compares_too(
    spark_cluster: SparkCluster, fixture: Fixture, tmp_path: Path, stagewright: str
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("file,class_index\n" + "".join(f"{name},{index}\n" for name, index in TRUTH.items()))
    done = run_command(
        [
            stagewright,
            *("compare", "models:/colours/1", "models:/colours/2", "--input", str(fixture.photos)),
            *(
                "--output",
                str(tmp_path / "out"),
                "--labels",
                str(labels),
                "--master",
                spark_cluster.url,
                "--json",
            ),
        ],
        env={"MLFLOW_TRACKING_URI": fixture.uri},
    ).check()
    said = json.loads(done.stdout)
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
    executor_python: Path, fixture: Fixture, tmp_path: Path
) -> None:
    gpus = {"spark.executor.resource.gpu.amount": "2", "spark.task.resource.gpu.amount": "1"}
    with SparkCluster(tmp_path / "cluster", workers=1, cores=2, gpus=("0", "1")) as cluster:
        done = run_python(
            WHERE_TASKS_RUN,
            args=[str(fixture.photos)],
            master=cluster.url,
            conf={**gpus, "spark.executorEnv.STAGEWRIGHT_DEVICE": "cpu"},
            env={**environment(fixture), "CUDA_VISIBLE_DEVICES": None},
        ).check()
        sessions = cluster.session_ids
        assert all(leash.session_members(session) for session in sessions)
    said = json.loads(done.stdout.splitlines()[-1])
    assert said == {"ok": PHOTOS - 4, "devices": ["cuda:0", "cuda:1"]}
    assert not any(leash.session_members(session) for session in sessions), (
        "a cluster ends with all it started"
    )
