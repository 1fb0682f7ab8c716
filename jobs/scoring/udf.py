"""DataFrame + model version -> DataFrame with predictions; lazy, reads and writes nothing."""

import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.pyfunc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from registry import ModelUri, ModelVersion, Registry

from ..errors import InputError
from ..spark import shipping, udfs
from ..spark.archives import FAULT
from ..spark.local_copies import local_copy
from ..spark.udfs import Udf
from . import addressed, columns, foreign
from .inputs import Signature
from .options import ScoreOptions

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
EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Subject:
    """The one version that a job's name means, and its verified artifacts on this machine.

    `signature`: of one that stagewright did not package, which takes columns; None where it takes photos.
    """

    version: ModelVersion
    model: Path
    signature: Signature | None = None

    @property
    def models(self) -> tuple[Path, ...]:
        """The directories that workers will load."""
        return (self.model,)


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
    version = model if isinstance(model, ModelVersion) else registry.resolve(model)
    if version.manifest_digest is not None:
        columns.check(images, options, IDENTITY)  # before anything is downloaded
    return predictions(images, checked(registry, version, options), options)


def checked(registry: Registry, version: ModelVersion, options: ScoreOptions) -> Subject:
    """A version that may be used as `options` say, fetched and verified. Raises registry.RegistryError, InputError."""
    registry.check(version, options.use, options.allow_foreign)
    if version.manifest_digest is None:
        foreign.check(version, options)
        return Subject(*foreign.ready(registry, version))
    check_choices(version, options)
    model = local_copy(registry, version)
    if options.max_pixels is not None:
        _check_known({"max_pixels"}, mlflow.models.Model.load(str(model)))
    return Subject(version, model)


def predictions(images: DataFrame, subject: Subject, options: ScoreOptions) -> DataFrame:
    """What `score` gives. Raises InputError where a column is off, or an option the version does not have."""
    check_columns(images, subject, options)
    predict = udf_of(images.sparkSession, subject, options)
    fetched = (
        addressed.fetched(images, options) if subject.signature is None else _given(images, subject, options)
    )
    scored = fetched.select(
        *map(columns.quoted, options.keep), FAULT, predict(F.col(addressed.CONTENT)).alias(_SCORED)
    )
    kept = map(columns.quoted, options.keep)
    return scored.select(
        *kept, *_columns(subject.version, predict.returned.names, options.run_id or uuid.uuid4().hex)
    )


def check_columns(rows: DataFrame, subject: Subject, options: ScoreOptions) -> None:
    """Raises InputError where a column is off that the version takes, or one that is to be kept."""
    if subject.signature is None:
        columns.check(rows, options, IDENTITY)
    else:
        subject.signature.check(rows, options, IDENTITY)


def given(rows: DataFrame, subject: Subject, options: ScoreOptions) -> Column:
    """What workers give to the version: a photo (`columns.photo`), or a struct of its inputs."""
    if subject.signature is None:
        return columns.photo(rows, options)
    return subject.signature.given(rows, options)


def _given(rows: DataFrame, subject: Subject, options: ScoreOptions) -> DataFrame:
    """As `addressed.fetched`, where nothing has to be."""
    content = given(rows, subject, options).alias(addressed.CONTENT)
    return rows.select(*columns.kept(rows, options.keep), content, addressed.no_fault())


def udf_of(spark: SparkSession, subject: Subject, options: ScoreOptions) -> Udf:
    """The version's UDF. Raises InputError on an option that the version does not have."""
    version = subject.version
    key = (
        version.manifest_digest or version.model_digest,
        options.photo_timeout_s,
        *sorted(options.params.items()),
    )
    return udfs.once(spark, key, lambda: _udf(spark, subject.model, options))


def takes_paths(model: Path) -> bool:
    """Whether the wrapper in a version's directory can read files by their paths; older ones cannot."""
    return "content_as" in _params(mlflow.models.Model.load(str(model)))


def check_choices(version: ModelVersion, options: ScoreOptions) -> None:
    """Raises InputError on a precision or decoding that the version was not registered with."""
    if options.transform not in (None, EXACT):
        warnings.warn(f"Photos are resized exactly, not as transform={options.transform!r}.", stacklevel=2)
    asked = {
        "precision": (options.precision, version.precisions),
        "decode": (options.decode, version.decodes),
    }
    for what, (wanted, offered) in asked.items():
        if wanted is not None and offered and wanted not in offered:
            raise InputError(
                f"{version.pinned_uri} was not registered with {what} {wanted!r}, only with "
                f"{', '.join(offered)}. Register it again with --{what} {wanted}."
            )


def _udf(spark: SparkSession, model: Path, options: ScoreOptions) -> Udf:
    metadata = mlflow.models.Model.load(str(model))
    outputs: Any = metadata.get_output_schema()  # type: ignore[no-untyped-call]
    if outputs is None or not {"status", "error"} <= set(outputs.input_names()):
        raise InputError(
            "This version was not packaged by stagewright: its signature has no `status` and `error`."
        )
    _check_known(set(options.params), metadata)
    shipped = shipping.ship(spark, model)
    return udfs.udf(spark, shipped, options.params, options.photo_timeout_s)


def _check_known(params: set[str], metadata: Any) -> None:
    known = _params(metadata)
    if unknown := sorted(params - known):
        raise InputError(
            f"This version takes no {', '.join(unknown)}; it takes {sorted(known)}. What was registered before there "
            "was such a choice has its own code: register it again."
        )


def _params(metadata: Any) -> set[str]:
    """Names of what the model's signature lets a prediction be called with."""
    return {param.name for param in metadata.get_params_schema() or []}


def identity(version: ModelVersion, run_id: str) -> dict[str, Any]:
    """What each row says of whose prediction it is."""
    return {
        "model_name": version.name,
        "model_version": version.number,
        "model_digest": version.model_digest,
        "scoring_run_id": run_id,
    }


def _columns(version: ModelVersion, answered: list[str], run_id: str) -> list[Column]:
    """In Spark; `place.answering` has the same in Arrow."""
    scored = F.col(_SCORED)
    status, error = (F.coalesce(F.col(FAULT)[name], scored[name]) for name in ("status", "error"))
    ok = status == "ok"
    fields = [name for name in answered if name not in ("status", "error")]
    return [
        # MLflow turns None inside a struct into the string 'None', so the wrapper sends blanks: nulls are made here.
        F.when(ok, F.struct(*(scored[name].alias(name) for name in fields))).alias("prediction"),
        status.alias("status"),
        F.when(~ok, error).alias("error"),
        *(F.lit(value).alias(name) for name, value in identity(version, run_id).items()),
        F.current_timestamp().alias("scored_at"),
    ]
