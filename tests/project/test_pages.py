"""Every block of every page runs, in its order, or is listed here with the reason that the page gives its readers.

README and tutorial run in `test_readme.py`, notebooks in `test_notebooks.py`, the standalone cluster's commands in
`tests/jobs/test_cluster.py`.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import boto3
import pytest
from mlflow import MlflowClient
from pyspark.sql import SparkSession

from benchmarks import s3_server
from mlruns_fixture.photos import PLAIN
from registry import Gates, Registry
from tests.conftest import copy_registry, forget_mlflow_state

from . import pages_world
from .pages import LANGUAGES, ROOT, Block, blocks, pages, run
from .pages_world import World

# Pages whose blocks other tests run.
ELSEWHERE = {"README.md", "docs/tutorial.md"}
DEMO = "make demo\nmake test\n"  # of the README: `test_readme.py` begins with the demo
# Page, how its block begins, and why no test runs it.
NOT_RUN = {
    ("CONTRIBUTING.md", "make check"): "they make the environment and start these very tests.",
    ("docs/benchmarks/README.md", "make bench"): "minutes to hours each; `make bench-smoke` is their shadow.",
    ("docs/clusters.md", "spark-submit"): "in local mode they run the tutorial's.",
    ("docs/clusters.md", "python -m venv"): "it needs a package index.",
    ("docs/clusters.md", "pip install 'stagewright[connect]'"): "they have a Connect server of their own.",
    ("docs/clusters.md", "stagewright score"): "it needs YARN.",
    ("docs/clusters.md", "BashOperator"): "it needs Airflow.",
    (
        "docs/clusters.md",
        "mlflow server",
    ): "it needs a database and a bucket; tests have a server over PostgreSQL.",
}
STANDALONE = "spark://head:7077"  # in tests/jobs/test_cluster.py
PAGES = [page for page in pages() if page not in ELSEWHERE and blocks(page)]
AWS = {
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": "b",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}


def is_run_here(block: Block) -> bool:
    return block.reason is None and STANDALONE not in block.code


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, registry_template: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.syspath_prepend(str(ROOT))
        copy_registry(registry_template, folder, (folder / "mlruns" / "0").as_uri())
        at_registry(folder, patched)
        yield pages_world.build(folder, registry_template)
    forget_mlflow_state()


def at_registry(folder: Path, patched: pytest.MonkeyPatch) -> None:
    forget_mlflow_state()
    patched.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    patched.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    patched.delenv("MLFLOW_REGISTRY_URI", raising=False)


@pytest.fixture
def here(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the world as the current folder; what a page exports ends with it."""
    folder = world.copy(tmp_path / "world")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    for name in ("STAGEWRIGHT_PRIVATE_KEY", "PYSPARK_PYTHON"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
        monkeypatch.delenv(name)
    at_registry(folder, monkeypatch)
    yield folder
    forget_mlflow_state()


@pytest.fixture
def bucket(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`s3://bucket` with the photos, also for workers."""
    with ExitStack() as stack:
        address = stack.enter_context(s3_server.serving(s3_server.application()))
        for name, value in {**AWS, "AWS_ENDPOINT_URL": address}.items():
            monkeypatch.setenv(name, value)
            monkeypatch.setitem(spark.sparkContext.environment, name, value)
        store = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
        store.create_bucket(Bucket="bucket")
        for name, content in PLAIN.items():
            store.put_object(Bucket="bucket", Key=f"photos/{name}", Body=content)
        yield


def moved(world: World, folder: Path) -> Mapping[str, str]:
    """As the ledger's page begins: somebody set the alias by MLflow's own calls, and version 1 was put back."""
    MlflowClient().set_registered_model_alias("flowers", "production", "3")
    Registry().rollback("flowers", "Production", because="wrong labels on tulips")
    return {"2026-11-24T02:45:40": world.second.isoformat()}


def with_a_detector(world: World, folder: Path) -> Mapping[str, str]:
    pages_world.save_detector(folder)
    return {}


def with_pets(world: World, folder: Path) -> Mapping[str, str]:
    pages_world.save_pets(folder / "resnet-of-pets")
    return {}


PREPARED = {"docs/kinds.md": with_a_detector, "docs/ledger.md": moved, "docs/pretrained.md": with_pets}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", [page for page in PAGES if any(map(is_run_here, blocks(page)))])
def test_every_block_of_a_page_runs_in_its_order(
    page: str, world: World, here: Path, spark: SparkSession, request: pytest.FixtureRequest
) -> None:
    instead = {
        "https://mlflow.prod.example": f"sqlite:///{here}/prod.db",
        "/data/photos": str(here / "photos"),
        **(PREPARED[page](world, here) if page in PREPARED else {}),
    }
    if any("s3://" in block.code for block in blocks(page) if is_run_here(block)):
        request.getfixturevalue("bucket")
    for block in filter(is_run_here, blocks(page)):
        run(block, here, instead)
        if block.title == "gates.toml":
            Gates.load("gates.toml")


def test_what_no_test_runs_is_listed_and_said_to_readers() -> None:
    said = {
        (
            block.page,
            next(begins for page, begins in NOT_RUN if page == block.page and block.code.startswith(begins)),
        ): block.reason
        for page in PAGES
        for block in blocks(page)
        if block.reason is not None
    }
    assert said == NOT_RUN


@pytest.mark.parametrize("page", [*PAGES, *sorted(ELSEWHERE)])
def test_a_block_says_what_it_is(page: str) -> None:
    """So that none is passed over; a file has a title, and what only looks like commands runs."""
    for block in blocks(page):
        assert block.language in LANGUAGES, block
        assert (block.language == "toml") == (block.title is not None), block
        if block.language in ("text", "json", "toml"):
            commands = ("stagewright ", "$ ", "make ", "python ", "pip ")
            assert block.code == DEMO or not block.code.startswith(commands), block
