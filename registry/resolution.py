"""From what is wanted to the one version that it means, once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from registry.errors import StageEmpty, VersionNotFound, VersionNotReady
from registry.uri import Alias, Latest, ModelUri, Number
from registry.versions import ModelVersion, Stage

if TYPE_CHECKING:
    from registry.client import Client

_LOG = logging.getLogger(__name__)


def resolve(client: Client, uri: ModelUri) -> ModelVersion:
    """The version that a reference means now; use its `pinned_uri` from here on.

    Raises ModelNotFound, VersionNotFound, StageEmpty, AliasNotFound or VersionNotReady.
    """
    found = _find(client, uri)
    if not found.ready:
        raise VersionNotReady(
            f"{found.pinned_uri} is {found.status}, not READY.",
            f"Wait for it, or name another one: `stagewright versions {found.name}`.",
        )
    return found


def holder(versions: Sequence[ModelVersion], stage: Stage) -> ModelVersion | None:
    """The one version that a stage means; None where it is empty.

    MLflow lets several versions stand in one stage, two promotions at once suffice. Then it is the one that
    the stage's alias points to, for an alias never points to two, else the highest number, as MLflow itself
    decides. A stage without a version means its alias's, which a promotion sets first.
    """
    standing = [version for version in versions if version.stage is stage]
    aliased = [version for version in versions if stage.alias in version.aliases]
    if len(standing) > 1:
        numbers = [version.number for version in standing]
        _LOG.warning("%s versions %s all stand in %s", standing[0].name, numbers, stage.value)
        standing = [version for version in standing if version in aliased] or standing
    return max(standing or aliased, key=lambda version: version.number, default=None)


def _find(client: Client, uri: ModelUri) -> ModelVersion:
    match uri.selector:
        case Number(number):
            return client.version(uri.name, number)
        case Alias(alias):
            return client.version_by_alias(uri.name, alias)
        case Latest():
            return _latest(client, uri.name)
        case Stage():
            return _in_stage(client, uri.name, uri.selector)


def _latest(client: Client, name: str) -> ModelVersion:
    versions = client.versions(name)
    if not versions:
        raise VersionNotFound(
            f"Model {name!r} has no version yet.", f"Register one with `stagewright register {name} …`."
        )
    return versions[-1]


def _in_stage(client: Client, name: str, stage: Stage) -> ModelVersion:
    versions = client.versions(name)
    found = holder(versions, stage)
    if found is None:
        known = ", ".join(f"{version.number} ({version.stage.value})" for version in versions) or "none"
        raise StageEmpty(
            f"Model {name!r} has no version in {stage.value!r}; its versions are {known}.",
            f"Move one there with `stagewright promote {name} VERSION {stage.value}`.",
        )
    return found
