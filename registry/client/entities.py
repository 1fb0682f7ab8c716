"""MLflow's entities in our words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mlflow.entities import Run as MlflowRun
from mlflow.entities.model_registry import ModelVersion as MlflowVersion

from registry import tags
from registry.runs import Run, RunStatus
from registry.versions import ModelVersion, Stage


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A name and what hangs on it rather than on one of its versions."""

    name: str
    aliases: Mapping[str, int] = field(default_factory=dict, hash=False)
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def without_stages(self) -> bool:
        """Whether the registry refused to move a version of this model to a stage."""
        return tags.WITHOUT_STAGES in self.tags

    def aliases_of(self, number: int) -> tuple[str, ...]:
        return tuple(sorted(alias for alias, target in self.aliases.items() if target == number))


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """Artifacts that MLflow keeps as a model of its own, before and besides any version of it."""

    model_id: str
    run_id: str
    artifact_uri: str


def version_of(entity: MlflowVersion, model: RegisteredModel) -> ModelVersion:
    number = int(entity.version)
    return ModelVersion(
        name=entity.name,
        number=number,
        stage=_stage(entity, model),
        status=str(entity.status),
        created_at=_moment(entity.creation_timestamp),
        updated_at=_moment(entity.last_updated_timestamp or entity.creation_timestamp),
        source_uri=entity.source or "",
        source_run_id=entity.run_id or None,
        description=entity.description or "",
        aliases=model.aliases_of(number),
        tags=dict(entity.tags or {}),
    )


def _stage(entity: MlflowVersion, model: RegisteredModel) -> Stage:
    """The stage that the version stands in, by its alias where the registry has no stages."""
    if not model.without_stages:
        return Stage.parse(entity.current_stage or Stage.NONE.value)
    aliases = model.aliases_of(int(entity.version))
    return next((stage for stage in (Stage.PRODUCTION, Stage.STAGING) if stage.alias in aliases), Stage.NONE)


def run_of(entity: MlflowRun) -> Run:
    return Run(
        run_id=entity.info.run_id,
        name=entity.info.run_name or "",
        experiment_id=entity.info.experiment_id,
        status=RunStatus(entity.info.status),
        started_at=_moment(entity.info.start_time),
        ended_at=_moment(entity.info.end_time) if entity.info.end_time else None,
        metrics=dict(entity.data.metrics),
        params=dict(entity.data.params),
        tags=dict(entity.data.tags),
    )


def _moment(timestamp_ms: int) -> datetime:
    return datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC)
