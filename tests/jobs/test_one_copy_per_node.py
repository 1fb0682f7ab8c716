"""Jobs in a row on a real cluster leave one model's worth of files on its node, and nothing on the driver."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from pyspark.sql import SparkSession

from jobs import ScoreOptions, score
from jobs.spark import shipping, udfs
from mlruns_fixture import LABELS, ODD, PLAIN, PREPROCESS, ColourNet
from mlruns_fixture.build import Fixture
from pyfunc_models.packaging import package
from registry import Registry
from tests import leash
from tests.clusters import SparkCluster, run_python

PHOTOS = len(PLAIN) + len(ODD)
JOBS = int(os.environ.get("STAGEWRIGHT_JOBS_IN_A_ROW", "2"))
MEGABYTE = 1024 * 1024

MANY_JOBS = """
    import json, sys
    import mlflow.pyfunc
    from pyspark.sql import SparkSession
    from jobs import Source, read, score
    from jobs.spark import udfs

    photos, model, count = sys.argv[1:]
    spark = SparkSession.builder.getOrCreate()
    photos = read(spark, Source(photos)).repartition(4)
    ok = []
    for _ in range(2):
        udf = mlflow.pyfunc.spark_udf(spark, model, env_manager="local").asNondeterministic()
        ok.append(photos.select(udf("content").alias("p")).where("p.status = 'ok'").count())
    for _ in range(int(count)):
        udfs._made.clear()  # as if each job had other params
        ok.append(score(photos, model).where("status = 'ok'").count())
    print(json.dumps(ok))
"""


class HeavyColours(ColourNet):
    """ColourNet with 4 MB of weights that change nothing but cannot be folded away."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(4, 1024)
        self.second = torch.nn.Linear(1024, 1024)
        self.third = torch.nn.Linear(1024, 4)
        torch.nn.init.zeros_(self.third.weight)
        torch.nn.init.zeros_(self.third.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = super().forward(images)
        heavy: torch.Tensor = self.third(torch.relu(self.second(torch.relu(self.first(logits)))))
        return logits + heavy


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with big files."""
    return package(HeavyColours(), PREPROCESS, LABELS, into=tmp_path_factory.mktemp("packaged") / "heavy")


@pytest.fixture
def heavy(packaged: Path, fixture: Fixture) -> tuple[str, int]:
    """The version made of it, and what its big files take."""
    big = sum(size for size in sizes_by_inode(packaged).values() if size > MEGABYTE)
    assert big > 8 * MEGABYTE
    return Registry(fixture.uri).register(packaged, "heavy").version.pinned_uri, big


def test_jobs_in_a_row_leave_one_copy_of_the_model_on_the_node_and_none_on_the_driver(
    fixture: Fixture, heavy: tuple[str, int], tmp_path: Path
) -> None:
    model, big = heavy
    node, executors, driver = (tmp_path / name for name in ("node", "node/temporary", "driver"))
    executors.mkdir(parents=True)
    driver.mkdir()
    on_node = {"TMPDIR": str(executors), "STAGEWRIGHT_DEVICE": "cpu"}
    with SparkCluster(node, workers=1, cores=2, environment=on_node) as cluster:
        done = run_python(
            MANY_JOBS,
            args=[str(fixture.photos), model, str(JOBS)],
            master=cluster.url,
            conf={"spark.cores.max": "2"},
            env={
                "MLFLOW_TRACKING_URI": fixture.uri,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "TMPDIR": str(driver),
            },
            timeout_s=120 + 10 * JOBS,
        ).check()
        sessions = cluster.session_ids
        assert all(leash.session_members(session) for session in sessions)
    assert not any(leash.session_members(session) for session in sessions), (
        "a cluster ends with all it started"
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [PHOTOS - 4] * (JOBS + 2)

    sizes = sizes_by_inode(node)
    zips = {path.stat().st_ino for path in node.rglob("*.zip")}
    whole = sorted(sizes[inode] for inode in zips if sizes[inode] > MEGABYTE)
    assert (len(zips), len(whole)) == (JOBS + 2, 2), "MLflow sends all of a model, our jobs its small rest"
    assert sum(size for inode, size in sizes.items() if inode not in zips and size > MEGABYTE) == big
    folders = [
        path for path in executors.iterdir() if (path / "SHA256SUMS").exists() and not path.is_symlink()
    ]
    assert len(folders) == 2, "one for each of the two worker processes"
    left = [size for size in sizes_by_inode(driver).values() if size]
    assert sorted(left) == whole, "only the zips of those who called MLflow themselves"


def sizes_by_inode(folder: Path) -> dict[int, int]:
    """Size of each file below; one with many links counts once, as on the disk."""
    files = [path.lstat() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {status.st_ino: status.st_size for status in files}


# --- local masters, and what is not shipped apart


def test_on_a_local_master_workers_read_the_drivers_own_copy(
    spark: SparkSession, heavy: tuple[str, int]
) -> None:
    photos = spark.createDataFrame(list(PLAIN.items()), "path string, content binary")
    before = shipping._workshop()
    rows = score(photos, heavy[0]).select("path", "prediction.label").collect()
    assert {row.path: row.label for row in rows} == {name: name.partition("-")[0] for name in PLAIN}
    files = [path for path in before.rglob("*") if path.is_file() and not path.is_symlink()]
    sent = [path for path in files if path.stat().st_size > MEGABYTE]
    assert {path.parent for path in sent} == {before}, "no copy of the rest has a big file"


def test_a_model_goes_whole_where_its_wrapper_cannot_fill_in_or_nothing_is_big(
    spark: SparkSession, packaged: Path, tmp_path: Path
) -> None:
    thin = shipping.ship(spark, packaged)
    assert thin != packaged
    assert sizes_by_inode(thin).keys().isdisjoint(sizes_by_inode(packaged))
    assert max(sizes_by_inode(thin).values()) < MEGABYTE
    older = shutil.copytree(packaged, tmp_path / "older")
    for file in older.glob("code/**/big_files.py"):
        file.unlink()
    assert shipping.ship(spark, older) == older
    light = package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "light")
    assert shipping.ship(spark, light) == light


def test_jobs_alike_share_one_udf_and_others_do_not(spark: SparkSession, fixture: Fixture) -> None:
    photos = spark.createDataFrame(list(PLAIN.items()), "path string, content binary")
    udfs._made.clear()
    for uri, top_k in [("Production", 1), ("1", 1), ("Production", 2), ("2", 1)]:
        score(photos, f"models:/colours/{uri}", options=ScoreOptions(top_k=top_k))
    assert len(udfs._made) == 3
