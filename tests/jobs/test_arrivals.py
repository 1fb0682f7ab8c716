"""Nothing of a version runs on a worker before it was compared with what the driver verified; nobody else reads it."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow.artifacts
import mlflow.pyfunc
import pandas as pd
import pytest
from mlflow.utils._spark_utils import _SparkDirectoryDistributor
from mlflow.utils.file_utils import get_or_create_tmp_dir
from pyspark import SparkFiles
from pyspark.sql import SparkSession

from jobs import (
    CompareJob,
    EvaluateJob,
    JobFailed,
    ScoreJob,
    ScoreOptions,
    Sink,
    Source,
    compare,
    run,
    score,
    scratch,
)
from jobs.comparison import comparing
from jobs.evaluation import evaluating
from jobs.scoring import batch
from jobs.spark import arrivals, shipping, udfs
from jobs.spark.arrivals import guarded
from jobs.spark.sent import Sent
from mlruns_fixture import PLAIN
from mlruns_fixture.build import Fixture
from registry import PolicyRefused, Registry
from registry.trust.manifest import digest_of

FLAT = Path(__file__).parents[1] / "fixtures" / "colours-flat.tar.gz"
RED = pd.Series([PLAIN["red-64x48.jpg"]])


@pytest.fixture(autouse=True)
def _as_a_new_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, arrivals._MEMORY, raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


@pytest.fixture
def model(fixture: Fixture, tmp_path: Path) -> Path:
    """A verified version on the driver."""
    registry = Registry()
    return registry.fetch(registry.resolve("models:/colours/1"), tmp_path / "fetched")


def entrypoint(folder: Path, marker: Path) -> None:
    """Have whoever imports the model leave a file."""
    script = next(folder.glob("*.py"))
    script.write_text(f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n{script.read_text()}")


# --- jobs


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Somebody changes what MLflow hands to the workers, once the driver is done; a file that his code leaves."""
    marker = tmp_path / "it ran"
    made = mlflow.pyfunc.spark_udf
    udfs._made.clear()

    def changed(*args: Any, **kwargs: Any) -> Any:
        udf = made(*args, **kwargs)
        held = dict(zip(udf.func.__code__.co_freevars, udf.func.__closure__, strict=True))
        entrypoint(Path(held["local_model_path"].cell_contents), marker)
        return udf

    monkeypatch.setattr(mlflow.pyfunc, "spark_udf", changed)
    yield marker
    udfs._made.clear()


def test_changed_code_is_refused_before_it_runs(
    spark: SparkSession, fixture: Fixture, planted: Path, tmp_path: Path
) -> None:
    job = ScoreJob("models:/colours/1", Source(str(fixture.photos)), Sink(str(tmp_path / "out")))
    with pytest.raises(JobFailed, match=r"is not the one that the job verified: '.*\.py' is another file"):
        run(spark, Registry(), job, lambda line: None)
    assert not planted.exists()


def test_changed_code_of_a_pair_is_refused_before_it_runs(
    spark: SparkSession, fixture: Fixture, planted: Path, tmp_path: Path
) -> None:
    job = CompareJob(
        "models:/colours/1", "models:/colours/2", Source(str(fixture.photos)), str(tmp_path / "out")
    )
    with pytest.raises(JobFailed, match="is not the one that the job verified"):
        compare(spark, Registry(), job, lambda line: None)
    assert not planted.exists()


# --- what a worker finds


def loading(folder: Path) -> Callable[[Iterator[pd.Series]], Iterator[pd.DataFrame]]:
    """What MLflow's function does on a local master."""

    def answer(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        model = mlflow.pyfunc.load_model(str(folder))
        for photos in batches:
            yield model.predict(pd.DataFrame({"content": photos}))

    return answer


def change_a_small_file(root: Path) -> str:
    (root / "MLmodel").write_text((root / "MLmodel").read_text() + "\n")
    return "'MLmodel' is another file"


def take_one_away(root: Path) -> str:
    (root / "stagewright.json").unlink()
    return "'stagewright.json' is missing"


def add_bytecode(root: Path) -> str:
    cache = next(root.glob("code/*")) / "__pycache__"
    cache.mkdir()
    (cache / f"__init__.{sys.implementation.cache_tag}.pyc").write_bytes(b"somebody's")
    return r"__init__.*\.pyc' was added"


def link_the_code(root: Path) -> str:
    shutil.move(root / "code", root.parent / "elsewhere")
    (root / "code").symlink_to(root.parent / "elsewhere")
    return "'code/.*' is missing"


def link_a_file(root: Path) -> str:
    shutil.move(root / "MLmodel", root.parent / "elsewhere")
    (root / "MLmodel").symlink_to(root.parent / "elsewhere")
    return "'MLmodel' is another file"


def add_another_manifest(root: Path) -> str:
    (root / "SHA256SUMS").write_text("")
    return "'SHA256SUMS' is another file"


@pytest.mark.parametrize(
    "harm",
    [change_a_small_file, take_one_away, add_bytecode, link_the_code, link_a_file, add_another_manifest],
)
def test_a_worker_refuses_what_the_driver_did_not_send(
    model: Path, tmp_path: Path, harm: Callable[[Path], str]
) -> None:
    arrived = shutil.copytree(model, tmp_path / "arrived")
    sent = Sent.of(model)
    entrypoint_ran = tmp_path / "ran"
    said = harm(arrived)
    answer = guarded(loading(arrived), sent)
    with pytest.raises(RuntimeError, match=said):
        list(answer(iter([RED])))
    assert not entrypoint_ran.exists()
    assert mlflow.pyfunc.load_model.__module__ == "mlflow.pyfunc", "others load as before"


def test_a_worker_leaves_what_it_was_sent_as_it_is_for_the_next_one(model: Path, tmp_path: Path) -> None:
    arrived = shutil.copytree(model, tmp_path / "arrived")
    answers = guarded(loading(arrived), Sent.of(model))
    assert next(answers(iter([RED])))["label"].tolist() == ["red"]
    assert list(arrived.rglob("__pycache__")) == []
    assert Sent.of(arrived) == Sent.of(model)


def test_a_worker_that_lacks_a_package_says_so_in_one_line(model: Path) -> None:
    script = model / "entrypoint.py"
    script.write_text(f"import no_such_package\n{script.read_text()}")
    with pytest.raises(
        RuntimeError, match=r"No module named 'no_such_package'\. Install the model's req"
    ) as raised:
        list(guarded(loading(model), Sent.of(model))(iter([RED])))
    assert "\n" not in str(raised.value)


def test_rows_may_come_from_another_models_udf(model: Path, tmp_path: Path) -> None:
    registry = Registry()
    other = registry.fetch(registry.resolve("models:/colours/2"), tmp_path / "other")
    second = guarded(loading(other), Sent.of(other))

    def photos() -> Iterator[pd.Series]:
        for answers in second(iter([RED])):
            yield pd.Series([PLAIN[f"{answers['label'][0]}-64x48.jpg"]])

    first = guarded(loading(model), Sent.of(model))
    assert next(first(photos()))["label"].tolist() == ["red"]


def test_a_model_loaded_behind_its_back_is_refused(model: Path) -> None:
    load = mlflow.pyfunc.load_model

    def answer(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        loaded = load(str(model))
        for photos in batches:
            yield loaded.predict(pd.DataFrame({"content": photos}))

    with pytest.raises(RuntimeError, match="before it could be compared"):
        next(guarded(answer, Sent.of(model))(iter([RED])))


def test_on_spark_connect_workers_take_what_spark_has_unpacked_and_not_what_lies_where_mlflow_looks(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(SparkFiles, "_root_directory", str(tmp_path / "files"))
    monkeypatch.setattr(SparkFiles, "_is_running_on_worker", True)
    guessed = tmp_path / "mlflow" / hashlib.sha1(str(model).encode()).hexdigest() / str(os.getpid())
    shutil.copytree(model, guessed)
    entrypoint(guessed, tmp_path / "it ran")
    unpacked = shutil.copytree(model, tmp_path / "files" / "unpacked")

    def answer(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        """As MLflow does on Spark Connect."""
        try:
            loaded = mlflow.pyfunc.load_model(str(guessed))
        except Exception:
            loaded = mlflow.pyfunc.load_model(str(model), dst_path=str(guessed))
        for photos in batches:
            yield loaded.predict(pd.DataFrame({"content": photos}))

    checked = guarded(answer, Sent.of(model), "unpacked")
    assert next(checked(iter([RED])))["label"].tolist() == ["red"]
    assert not (tmp_path / "it ran").exists()

    other = shutil.copytree(unpacked, tmp_path / "files" / "other")
    entrypoint(other, tmp_path / "it ran")
    with pytest.raises(RuntimeError, match="not the one that the job verified"):
        next(guarded(answer, Sent.of(model), "other")(iter([RED])))
    assert not (tmp_path / "it ran").exists()


def test_what_earlier_wrappers_keep_by_a_claimed_digest_is_kept_by_the_verified_one(tmp_path: Path) -> None:
    with tarfile.open(FLAT) as archive:
        archive.extractall(tmp_path, filter="data")
    model = tmp_path / "colours-flat"
    loaded = []
    load = mlflow.pyfunc.load_model

    def answer(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        loaded.append(mlflow.pyfunc.load_model(str(model)).unwrap_python_model())
        yield from ()

    list(guarded(answer, Sent.of(model))(iter([])))
    claimed = load(str(model)).unwrap_python_model().spec.model_digest
    assert loaded[0].spec.model_digest == digest_of(model / "SHA256SUMS") != claimed


# --- what other users of the machine see


SEEN_BY = """
import json, os, sys
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
seen = []
for here, folders, files in os.walk(sys.argv[1]):
    for name in files:
        try:
            open(os.path.join(here, name), "rb").close()
            seen.append(name)
        except OSError:
            pass
print(json.dumps([os.getuid(), seen]))
"""


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder as all users of a machine share it."""
    get_or_create_tmp_dir()  # MLflow keeps one for each process, and this one here goes
    with tempfile.TemporaryDirectory(prefix="stagewright-shared-") as name:
        Path(name).chmod(0o1777)
        monkeypatch.setattr(tempfile, "tempdir", name)
        monkeypatch.setattr(scratch, "_own", [])
        shipping._workshop.cache_clear()
        udfs._made.clear()
        yield Path(name)
        shipping._workshop.cache_clear()
        udfs._made.clear()


def test_other_users_of_the_machine_read_nothing_of_a_job(
    spark: SparkSession, fixture: Fixture, shared: Path
) -> None:
    photos = spark.createDataFrame(list(PLAIN.items()), "path string, content binary")
    umask = os.umask(0)
    try:
        assert score(photos, "models:/colours/1", options=ScoreOptions(top_k=3)).count() == len(PLAIN)
        with shipping.private_temporary_folder():  # as spark_udf does for a cluster
            cluster = SimpleNamespace(sparkContext=SimpleNamespace(addFile=str))
            archive = Path(_SparkDirectoryDistributor.add_dir(cluster, str(fixture.photos)))  # type: ignore[no-untyped-call]
    finally:
        os.umask(umask)
    assert archive.is_relative_to(shared)
    assert Path(get_or_create_tmp_dir()).stat().st_mode & 0o777 == 0o700
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SEEN_BY, str(shared)], capture_output=True, text=True, check=True
    )
    if os.getuid() == 0:
        assert done.stdout.strip() == "[65534, []]"
    assert [path.name for path in shared.iterdir() if path.stat().st_mode & 0o077] == []
    assert tempfile.gettempdir() == str(shared)


# --- the driver


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a registry is asked, in order."""
    asked: list[str] = []

    def recorded(name: str, original: Any) -> Callable[..., Any]:
        def ask(*given: Any, **more: Any) -> Any:
            asked.append(name)
            return original(*given, **more)

        return ask

    for name in ("resolve", "check", "fetch"):
        monkeypatch.setattr(Registry, name, recorded(name, getattr(Registry, name)))
    return asked


def check_score(fixture: Fixture, labels: str) -> object:
    return batch.check(
        Registry(), ScoreJob("models:/colours/Production", Source(str(fixture.photos)), Sink("out"))
    )


def check_evaluate(fixture: Fixture, labels: str) -> object:
    return evaluating.check(Registry(), EvaluateJob("models:/colours/1", str(fixture.photos), labels, "shop"))


def check_compare(fixture: Fixture, labels: str) -> object:
    job = CompareJob("models:/colours/1", "models:/colours/2", Source(str(fixture.photos)), "out")
    return comparing.check(Registry(), job)


JOBS = [(check_score, 1), (check_evaluate, 1), (check_compare, 2)]


@pytest.mark.parametrize(("job", "versions"), JOBS)
def test_a_job_resolves_once_and_downloads_only_what_was_let_in(
    fixture: Fixture,
    tmp_path: Path,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    job: Callable[[Fixture, str], object],
    versions: int,
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("file,class_index\n" + "".join(f"{name},0\n" for name in PLAIN))
    job(fixture, str(labels))
    assert asked == ["resolve"] * versions + ["check", "fetch"] * versions
    asked.clear()

    def refuse(*given: object) -> None:
        raise PolicyRefused("No.")

    monkeypatch.setattr(Registry, "check", refuse)
    with pytest.raises(PolicyRefused):
        job(fixture, str(labels))
    assert "fetch" not in asked
