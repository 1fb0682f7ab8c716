"""How a model gets to the workers: its big files once a node, the rest with each UDF; and what is cleared away.

`spark_udf` zips the whole model directory for each UDF, and every worker process extracts it for itself. Here the
directory goes without its big files, which Spark sends once to each executor (`SparkContext.addFile`); the
wrapper in the worker links them back in and compares them with the manifest. On a local master they are
where the driver has them.
"""

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import RLock

from mlflow.utils.file_utils import get_or_create_tmp_dir
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from registry.trust.manifest import digest_of

from .. import scratch
from .sent import SHIPPED, Sent

# Spelt by pyfunc_models too, which travels in the version that the model was packaged with.
FILLS_IN = "code/pyfunc_models_*/**/big_files.py"
MIN_BYTES = 1024 * 1024
_REDIRECTED = RLock()


def context_of(spark: SparkSession) -> SparkContext | None:
    """The session's SparkContext; None on Spark Connect, where there is none."""
    try:
        return spark.sparkContext
    except (AttributeError, PySparkException):
        return None


def ship(spark: SparkSession, model: Path) -> Path:
    """The directory to give to `spark_udf`: a copy without the big files, which are shipped apart.

    `model` itself, whole, where that cannot be: Spark Connect, MLflow's NFS cache, a version whose wrapper is
    older than this, or nothing big in it.
    """
    context = context_of(spark)
    big = {path.relative_to(model) for path in model.rglob("*") if path.stat().st_size >= MIN_BYTES}
    if context is None or not big or not any(model.glob(FILLS_IN)) or _uses_nfs(spark):
        return model
    names = {file: _offer(model / file) for file in big}
    local = str(context.master).startswith("local")
    if not local:
        _add_files(context, set(names.values()))
    return _without_big_files(model, names, folder=str(_workshop()) if local else None)


def send_whole(spark: SparkSession, model: Path, sent: Sent) -> str:
    """Have a Spark Connect server unpack a directory on each executor, once in a session; gives the folder's name."""
    name = f"stagewright-{sent.digest}"
    packed = _workshop() / f"{name}.zip"
    if not packed.exists():
        _pack(model, sorted(sent.files), packed)
    spark.addArtifacts(f"{packed}#{name}", archive=True)
    return name


def _pack(model: Path, files: Iterable[str], into: Path) -> None:
    """To the same bytes each time: a server refuses others under a name that a session has used."""
    with zipfile.ZipFile(into, "w") as packed:
        for name in files:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o600 << 16
            with (model / name).open("rb") as source, packed.open(entry, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)


@contextmanager
def private_temporary_folder() -> Iterator[None]:
    """Whatever is put into the temporary folder inside goes into one that this user alone can enter.

    It is removed when this process ends, and executors fetch from it until then: `spark_udf` zips the model under a
    name that others see, for all to read, and nobody removes that. Other threads that ask for a temporary file
    meanwhile get theirs there too.
    """
    with _REDIRECTED:
        before = tempfile.tempdir
        tempfile.tempdir = str(_workshop())
        try:
            _close_folder_of_mlflow()
            yield
        finally:
            tempfile.tempdir = before


def _close_folder_of_mlflow() -> None:
    # MLflow keeps one for each process, made wherever it was first asked for, and lets the group read it.
    if "DATABRICKS_RUNTIME_VERSION" not in os.environ:
        folder = Path(get_or_create_tmp_dir())
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what cleans up temporary folders took it
        folder.chmod(0o700)


@cache
def _workshop() -> Path:
    return scratch.new("shipped-")


def _uses_nfs(spark: SparkSession) -> bool:
    # All nodes would read one directory there, and a link that one of them made.
    return spark.conf.get("spark.mlflow.nfs.rootDir", None) is not None or (
        "DATABRICKS_RUNTIME_VERSION" in os.environ
    )


def _offer(file: Path) -> str:
    """Give the file a name that says its content, in one folder: Spark sends a name once, from one path."""
    name = f"stagewright-{digest_of(file)}"
    offered = _workshop() / name
    if not offered.exists():
        try:
            os.link(file, offered)
        except OSError:
            shutil.copyfile(file, offered)
    return name


def _add_files(context: SparkContext, names: set[str]) -> None:
    there = {uri.rpartition("/")[2] for uri in context.listFiles}
    for name in sorted(names - there):
        context.addFile(str(_workshop() / name))


def _without_big_files(model: Path, names: dict[Path, str], folder: str | None) -> Path:
    thin = Path(tempfile.mkdtemp(prefix="model-", dir=_workshop()))
    shutil.copytree(
        model,
        thin,
        ignore=lambda here, found: [name for name in found if Path(here, name).relative_to(model) in names],
        dirs_exist_ok=True,
    )
    files = {file.as_posix(): name for file, name in names.items()}
    (thin / SHIPPED).write_text(json.dumps({"folder": folder, "files": files}))
    return thin
