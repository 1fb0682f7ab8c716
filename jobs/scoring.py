"""DataFrame + model version -> DataFrame with predictions; lazy, reads and writes nothing."""

import atexit
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.pyfunc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from registry import ModelUri, ModelVersion, Registry, Use

from . import shipping
from .errors import InputError
from .sources import check_columns

IDENTITY = (
    "prediction",
    "status",
    "error",
    "model_name",
    "model_version",
    "model_digest",
    "scoring_run_id",
    "scored_at",
)
_SCORED = "_stagewright_scored"


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """`content_column` holds the photos' bytes, `keep` goes along into the result.

    None leaves a param to the model's own default. `label_as="index"` has a classifier answer with the positions
    of its classes, which are exact where two have one name. `content_as="path"` says that the column holds paths of
    files, in UTF-8, which every worker reads itself. `run_id` is stamped on every row; by default a new one.
    `use` is what policies ask for: one that names a stage for jobs leaves evaluations alone.
    """

    content_column: str = "content"
    keep: tuple[str, ...] = ("path",)
    precision: str | None = None
    batch_size: int | None = None
    top_k: int | None = None
    decode_threads: int | None = None
    transform: str | None = None
    decode: str | None = None
    label_as: str | None = None
    content_as: str | None = None
    run_id: str | None = None
    use: Use = Use.SCORING

    @property
    def params(self) -> dict[str, Any]:
        """What the model is called with."""
        given = {
            "precision": self.precision,
            "batch_size": self.batch_size,
            "top_k": self.top_k,
            "decode_threads": self.decode_threads,
            "transform": self.transform,
            "decode": self.decode,
            "label_as": self.label_as,
            "content_as": self.content_as,
        }
        return {name: value for name, value in given.items() if value is not None}


def score(
    images: DataFrame,
    model: str | ModelUri | ModelVersion,
    *,
    registry: Registry | None = None,
    options: ScoreOptions | None = None,
) -> DataFrame:
    """One row for each row of `images`: the kept columns, `prediction`, `status`, `error`, the model's identity.

    A stage, an alias or `latest` is resolved here, once: a promotion while the job runs changes nothing in it.
    The version's artifacts are fetched and verified on the driver, and executors get that copy. Raises
    registry.RegistryError where the version cannot be resolved or verified or a policy refuses it, InputError where
    a column is off.
    """
    registry = registry or Registry()
    options = options or ScoreOptions()
    check_columns(images, options.content_column, options.keep, IDENTITY)
    version = model if isinstance(model, ModelVersion) else registry.resolve(model)
    registry.check(version, options.use)
    check_choices(version, options)
    predict, fields = _udf(images, registry, version, options)
    scored = images.select(*options.keep, predict(F.col(options.content_column)).alias(_SCORED))
    return scored.select(*options.keep, *_columns(version, fields, options.run_id or uuid.uuid4().hex))


def takes_paths(registry: Registry, version: ModelVersion) -> bool:
    """Whether the version's wrapper can read files by their paths; older ones cannot."""
    metadata = mlflow.models.Model.load(str(local_copy(registry, version)))
    return "content_as" in _params(metadata)


def check_choices(version: ModelVersion, options: ScoreOptions) -> None:
    """Raises InputError on a precision, transform or decoding that the version was not registered with."""
    asked = {
        "precision": (options.precision, version.precisions),
        "transform": (options.transform, version.transforms),
        "decode": (options.decode, version.decodes),
    }
    for what, (wanted, offered) in asked.items():
        if wanted is not None and offered and wanted not in offered:
            raise InputError(
                f"{version.pinned_uri} was not registered with {what} {wanted!r}, only with "
                f"{', '.join(offered)}. Register it again with --{what} {wanted}."
            )


_Udf = tuple[Any, list[str]]
# Each `spark_udf` takes seconds and is one more model for every worker to read and keep: one for all jobs alike.
_udfs: dict[tuple[str, str | None, tuple[tuple[str, Any], ...]], _Udf] = {}


def _udf(images: DataFrame, registry: Registry, version: ModelVersion, options: ScoreOptions) -> _Udf:
    """The UDF and the prediction's fields; the same one for the same content and params in one application."""
    context = shipping.context_of(images.sparkSession)
    if context is None:
        return _new_udf(images, local_copy(registry, version), options)
    key = (context.applicationId, version.manifest_digest, tuple(sorted(options.params.items())))
    if key not in _udfs:
        _udfs[key] = _new_udf(images, local_copy(registry, version), options)
    return _udfs[key]


def _new_udf(images: DataFrame, model: Path, options: ScoreOptions) -> _Udf:
    metadata = mlflow.models.Model.load(str(model))
    outputs: Any = metadata.get_output_schema()  # type: ignore[no-untyped-call]
    if outputs is None or not {"status", "error"} <= set(outputs.input_names()):
        raise InputError(
            "This version was not packaged by stagewright: its signature has no `status` and `error`."
        )
    known = _params(metadata)
    unknown = sorted(set(options.params) - known)
    if unknown:
        raise InputError(f"This version takes no {', '.join(unknown)}; it takes {sorted(known)}.")
    spark = images.sparkSession
    with shipping.archives_removed_at_exit(spark):
        predict = mlflow.pyfunc.spark_udf(
            spark, str(shipping.ship(spark, model)), env_manager="local", params=options.params or None
        )
    # A deterministic UDF that a later filter mentions is run twice for each row: once to filter, once to answer.
    return predict.asNondeterministic(), [
        name for name in outputs.input_names() if name not in ("status", "error")
    ]


def _params(metadata: Any) -> set[str]:
    """Names of what the model's signature lets a prediction be called with."""
    return {param.name for param in metadata.get_params_schema() or []}


def _columns(version: ModelVersion, fields: list[str], run_id: str) -> list[Column]:
    scored = F.col(_SCORED)
    ok = scored["status"] == "ok"
    return [
        # MLflow turns None inside a struct into the string 'None', so the wrapper sends blanks: nulls are made here.
        F.when(ok, F.struct(*(scored[name].alias(name) for name in fields))).alias("prediction"),
        scored["status"].alias("status"),
        F.when(~ok, scored["error"]).alias("error"),
        F.lit(version.name).alias("model_name"),
        F.lit(version.number).cast("int").alias("model_version"),
        F.lit(version.model_digest).alias("model_digest"),
        F.lit(run_id).alias("scoring_run_id"),
        F.current_timestamp().alias("scored_at"),
    ]


_copies: dict[tuple[str, str, int, str | None], Path] = {}


def local_copy(registry: Registry, version: ModelVersion) -> Path:
    """The verified artifacts, fetched once for each process and version.

    Kept until the process ends: a local master's tasks read them whenever the lazy DataFrame is evaluated.
    """
    key = (str(registry.address), version.name, version.number, version.manifest_digest)
    if key not in _copies:
        folder = Path(tempfile.mkdtemp(prefix="stagewright-model-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _copies[key] = registry.fetch(version, folder)
    return _copies[key]
