"""Every tag key that stagewright writes or reads; no other file spells one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from registry import tag_values
from registry.errors import InvalidTag

NAMESPACE = "stagewright."
_RESERVED = (NAMESPACE, "mlflow.")

# On a model version.
MODEL_DIGEST = "stagewright.model_digest"
MANIFEST_DIGEST = "stagewright.manifest_digest"
PACKAGE_FORMAT = "stagewright.format"
KIND = "stagewright.kind"
ARCHITECTURE = "stagewright.architecture"
PRECISIONS = "stagewright.precisions"
TRANSFORMS = "stagewright.transforms"
DECODES = "stagewright.decodes"
LABELS_COUNT = "stagewright.labels_count"
PICKLED = "stagewright.pickled"
SCHEMA = "stagewright.schema"
SOURCE_RUN = "stagewright.source_run"
LOGGED_MODEL = "stagewright.logged_model"
GIT_COMMIT = "stagewright.git.commit"
GIT_DIRTY = "stagewright.git.dirty"
COPIED_FROM = "stagewright.copied_from"
MEASURED = "stagewright.measured."
SETTING = "stagewright.setting."

# On a version, from evaluations and comparisons: prefixes of `evidence` and `comparison`, and what is no metric.
EVIDENCE = "stagewright.evidence."
COMPARISON = "stagewright.comparison."
EVIDENCE_RUN = "run"
EVIDENCE_DIGEST = "dataset_digest"
EVIDENCE_AT = "at"

# On a version: one signature for each key that signed it.
SIGNATURE = "stagewright.signature."

# On a version: one signature of an evaluation's or a comparison's figures for each key, and one approval.
EVIDENCE_SIGNATURE = "stagewright.evidence_signature."
COMPARISON_SIGNATURE = "stagewright.comparison_signature."
APPROVAL = "stagewright.approval."

# On a registered model: what may be registered and used.
POLICY = "stagewright.policy"

# On a registered model: one tag an event.
EVENT = "stagewright.event."
# On a registered model: one signature of an event for each key that signed it.
EVENT_SIGNATURE = "stagewright.event_signature."
# On a registered model: where another registry's history came from, and one tag an event of it.
IMPORTED = "stagewright.imported."
IMPORTED_EVENT = "stagewright.imported_event."
# On a registered model: since when a hook is told of events, and one tag for each event that it took.
HOOK = "stagewright.hook."
DELIVERED = "stagewright.delivered."
# One tag for each process that is deciding on a move, gone when the move is complete.
CLAIM = "stagewright.claim."
_BEGINNING = "beginning"
# Why a registry refused to move a stage: it has none, so its aliases alone say where versions stand.
WITHOUT_STAGES = "stagewright.without_stages"

# On a run.
RUN_PURPOSE = "stagewright.run"
RUN_MODEL_NAME = "stagewright.model.name"
RUN_MODEL_VERSION = "stagewright.model.version"
RUN_MODEL_DIGEST = "stagewright.model.digest"
# Where that version stood when the run began.
RUN_STAGE = "stagewright.model.stage"
# What kind of job the run is of, as `registry.runs.JobKind` spells it.
RUN_JOB = "stagewright.job"
# Which process of which host the run is of, as `registry.processes` writes it, and what ended it where that could not.
RUN_HOST = "stagewright.host"
RUN_PROCESS = "stagewright.process"
RUN_ENDED = "stagewright.ended"

# MLflow's own, as mlflow.utils.mlflow_tags names them.
MLFLOW_USER = "mlflow.user"
MLFLOW_MODEL_VERSIONS = "mlflow.modelVersions"

_NOTHING = "none"


def digest_of(part: str) -> str:
    """The key of one part's digest: `weights`, `code`, `preprocess`, `graph`."""
    return f"stagewright.digest.{part}"


def version_of(library: str) -> str:
    """The key of the library version that packaged the model."""
    return f"stagewright.version.{library}"


def measured(choice: str, metric: str) -> str:
    """The key of one figure measured at packaging for one precision, transform or decoding."""
    return f"{MEASURED}{choice}.{metric}"


def setting(name: str) -> str:
    """The key of one thing that the kind was told when the version was registered: `stagewright.setting.threshold`."""
    return f"{SETTING}{name}"


def all_measured(of_version: Mapping[str, str], whose: str = "") -> dict[str, dict[str, float]]:
    """Precision, transform or decoding -> metric -> value, from the keys that `measured` spells.

    What is no number is passed over with a line that names the tag and `whose` it is.
    """
    found: dict[str, dict[str, float]] = {}
    for key, value in sorted(of_version.items()):
        precision, dot, metric = key.removeprefix(MEASURED).partition(".")
        if key.startswith(MEASURED) and dot:
            try:
                figure = tag_values.number(value)
            except tag_values.Malformed as why:
                tag_values.skipped(key, why, whose)
            else:
                found.setdefault(precision, {})[metric] = figure
    return found


def evidence(dataset: str, precision: str, what: str) -> str:
    """The key of one figure of an evaluation: `stagewright.evidence.DATASET.PRECISION.top1`."""
    return f"{EVIDENCE}{dataset}.{precision}.{what}"


def comparison(against: int, dataset: str, what: str) -> str:
    """The key of one figure of a comparison: `stagewright.comparison.VERSION.DATASET.agreement`."""
    return f"{COMPARISON}{against}.{dataset}.{what}"


def evidence_signature(dataset: str, precision: str, fingerprint: str) -> str:
    """The key of one key's signature of an evaluation's figures."""
    return f"{EVIDENCE_SIGNATURE}{dataset}.{precision}.{fingerprint}"


def comparison_signature(against: int, dataset: str, fingerprint: str) -> str:
    """The key of one key's signature of a comparison's figures."""
    return f"{COMPARISON_SIGNATURE}{against}.{dataset}.{fingerprint}"


def approval(stage: str, fingerprint: str) -> str:
    """The key of one key's approval of a version for a stage: `stagewright.approval.STAGE.FINGERPRINT`."""
    return f"{APPROVAL}{stage}.{fingerprint}"


def signature(fingerprint: str) -> str:
    """The key of one signature: `stagewright.signature.` and the SHA-256 of the public key's PEM."""
    return f"{SIGNATURE}{fingerprint}"


def signers(of_version: Mapping[str, str]) -> list[str]:
    """The fingerprints of the keys that signed, as their tags claim."""
    return sorted(key.removeprefix(SIGNATURE) for key in of_version if key.startswith(SIGNATURE))


def event(key: str) -> str:
    return f"{EVENT}{key}"


def imported(origin: str) -> str:
    """The key of one origin of imported events."""
    return f"{IMPORTED}{origin}"


def imported_event(origin: str, event_id: str) -> str:
    """The key of one event that was imported from an origin."""
    return f"{IMPORTED_EVENT}{origin}.{event_id}"


def hook(name: str) -> str:
    """The key of where a hook begins."""
    return f"{HOOK}{name}"


def delivered(name: str, event_id: str) -> str:
    """The key of one event that a hook took."""
    return f"{DELIVERED}{name}.{event_id}"


def event_signature(event_id: str, fingerprint: str) -> str:
    """The key of one key's signature of an event."""
    return f"{EVENT_SIGNATURE}{event_id}.{fingerprint}"


def event_signers(event_id: str, of_model: Mapping[str, str]) -> list[str]:
    """The fingerprints of the keys that signed an event, as their tags claim."""
    prefix = f"{EVENT_SIGNATURE}{event_id}."
    return sorted(key.removeprefix(prefix) for key in of_model if key.startswith(prefix))


def claim(parent: str, process: str) -> str:
    """The key of one process's claim on what follows the event `parent`, or on the first event of all."""
    return f"{CLAIM}{parent or _BEGINNING}.{process}"


def claimed(key: str) -> tuple[str, str]:
    """The parent and the process that `claim` put together."""
    parent, _, process = key.removeprefix(CLAIM).partition(".")
    return "" if parent == _BEGINNING else parent, process


def join(items: Iterable[str]) -> str:
    """Several words as one tag value; `none` where there is no word, for an empty tag reads as a lost one."""
    return ",".join(items) or _NOTHING


def split(value: str) -> tuple[str, ...]:
    """The words that `join` put together."""
    return () if value in ("", _NOTHING) else tuple(value.split(","))


def is_reserved(key: str) -> bool:
    return key.startswith(_RESERVED)


def checked(user_tags: Mapping[str, str]) -> dict[str, str]:
    """A user's tags, none of which is in our namespace or MLflow's. Raises InvalidTag."""
    for key in user_tags:
        if is_reserved(key):
            raise InvalidTag(
                f"The tag {key!r} is in a namespace that stagewright or MLflow writes itself.",
                f"Name it without the prefix, such as {key.split('.', 1)[1] or 'team'!r}.",
            )
    return {key: str(value) for key, value in user_tags.items()}
