"""Questions and orders to one registry."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlflow.entities import LoggedModelOutput
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from registry import tags
from registry.client import downloads
from registry.client.entities import LoggedModel, RegisteredModel, version_of
from registry.client.faults import FORBIDDEN, PRESENT, Allowed, Faults
from registry.client.runs import Runs
from registry.client.searching import pages, quoted
from registry.connection import Address, probe_database
from registry.errors import (
    AccessDenied,
    AliasNotFound,
    ModelNotFound,
    NotFound,
    RegistryError,
    StagesRefused,
    VersionNotFound,
)
from registry.versions import ModelVersion, Stage


class Client:
    """Questions and orders to one registry, in our words.

    Every method raises RegistryUnreachable, AccessDenied or RegistryFault besides what it names.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._faults = Faults(address)
        with self._faults.calls():
            for uri in {address.tracking_uri, address.registry_uri or address.tracking_uri}:
                probe_database(uri)
            self._mlflow = MlflowClient(address.tracking_uri, address.registry_uri)
        self.runs = Runs(self._mlflow, self._faults, address)

    # Models and versions

    def model(self, name: str) -> RegisteredModel:
        """Aliases and tags of a registered model. Raises ModelNotFound."""
        try:
            with self._faults.calls(allowed=FORBIDDEN):
                found = self._mlflow.get_registered_model(name)
        except Allowed:
            raise AccessDenied(
                f"These credentials may not read the model {name!r} of {self.address}: they lack READ on it.",
                "Have it granted.",
            ) from None
        except NotFound:
            raise ModelNotFound(
                f"There is no registered model {name!r} in {self.address}.",
                f"It has {_listed(self.model_names())}. Register one with `stagewright register`.",
            ) from None
        aliases = {alias: int(number) for alias, number in found.aliases.items()}
        return RegisteredModel(found.name, aliases, dict(found.tags))

    def model_names(self, limit: int = 20) -> list[str]:
        """The first registered models by name."""
        with self._faults.calls():
            return sorted(model.name for model in self._mlflow.search_registered_models(max_results=limit))

    def ensure_model(self, name: str) -> RegisteredModel:
        """The registered model of this name, made where it does not exist yet."""
        try:
            with self._faults.calls(allowed=PRESENT):
                self._mlflow.create_registered_model(name)
        except Allowed:
            pass
        return self.model(name)

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of a model by number, with their aliases. Raises ModelNotFound."""
        model = self.model(name)
        search = f"name = {quoted(name)}"
        with self._faults.calls():
            found = list(pages(lambda token: self._mlflow.search_model_versions(search, page_token=token)))
        # search_model_versions gives no aliases on SQL stores, and some stores match names without case.
        ours = [version_of(entity, model) for entity in found if entity.name == name]
        return sorted(ours, key=lambda version: version.number)

    def version(self, name: str, number: int) -> ModelVersion:
        """One version. Raises ModelNotFound or VersionNotFound."""
        model = self.model(name)
        try:
            with self._faults.calls():
                return version_of(self._mlflow.get_model_version(name, str(number)), model)
        except NotFound:
            known = [version.number for version in self.versions(name)]
            raise VersionNotFound(
                f"Model {name!r} has no version {number!r}; it has {_listed(known)}.",
                f"See `stagewright versions {name}`.",
            ) from None

    def version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version that an alias points to. Raises ModelNotFound or AliasNotFound."""
        model = self.model(name)
        if alias not in model.aliases:
            raise AliasNotFound(
                f"Model {name!r} has no alias {alias!r}; it has {_listed(sorted(model.aliases))}.",
                f"Set one with `stagewright promote {name} VERSION {_stage_of(alias)}`.",
            )
        return self.version(name, model.aliases[alias])

    def create_version(self, name: str, logged: LoggedModel, said: Mapping[str, str]) -> ModelVersion:
        """Ask for a version of an uploaded model, with all its tags at once; it may not be READY yet."""
        with self._faults.calls():
            made = self._mlflow.create_model_version(
                name,
                logged.artifact_uri,
                logged.run_id,
                dict(said),
                await_creation_for=0,
                model_id=logged.model_id,
            )
        with suppress(RegistryError), self._faults.calls():
            self._link(logged.model_id, name, int(made.version))
        return self.version(name, int(made.version))

    def delete_version(self, version: ModelVersion) -> None:
        with self._faults.calls():
            self._mlflow.delete_model_version(version.name, str(version.number))

    # What moves

    def set_stage(self, version: ModelVersion, stage: Stage) -> None:
        """Move a version to a stage and nothing else. Raises StagesRefused where the registry has none."""
        refused = StagesRefused(
            f"{self.address} refuses to move a version to a stage.",
            "Versions of this model stand where the aliases `production` and `staging` point from now on.",
        )
        with self._faults.calls(unsupported=refused), warnings.catch_warnings():
            # MLflow calls stages deprecated at every move; the alias that moves along is the answer to that.
            warnings.simplefilter("ignore", FutureWarning)
            self._mlflow.transition_model_version_stage(version.name, str(version.number), stage.value)

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Point an alias at a version, away from where it points."""
        self._twice(self._mlflow.set_registered_model_alias, version.name, alias, str(version.number))

    def delete_alias(self, name: str, alias: str) -> None:
        with self._faults.calls():
            self._mlflow.delete_registered_model_alias(name, alias)

    def set_model_tag(self, name: str, key: str, value: str) -> None:
        self._twice(self._mlflow.set_registered_model_tag, name, key, value)

    def delete_model_tag(self, name: str, key: str) -> None:
        """Take a tag off a registered model; one that is not there is left alone."""
        self._twice(self._mlflow.delete_registered_model_tag, name, key)

    def set_version_tags(self, version: ModelVersion, said: Mapping[str, str]) -> None:
        """Set tags of a version, one request each."""
        for key, value in said.items():
            with self._faults.calls():
                self._mlflow.set_model_version_tag(version.name, str(version.number), key, value)

    # Artifacts

    def log_model(self, run_id: str, name: str, said: Mapping[str, str], directory: Path) -> LoggedModel:
        """Upload a model directory as it is, as a LoggedModel of a run; what fails is marked FAILED."""
        with self._faults.calls():
            experiment = self._mlflow.get_run(run_id).info.experiment_id
            made = self._mlflow.create_logged_model(
                experiment, _logged_name(name), source_run_id=run_id, tags=dict(said)
            )
        try:
            with self._faults.transfers():
                self._mlflow.log_model_artifacts(made.model_id, str(directory))
            with self._faults.calls():
                self._mlflow.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=0)])
                self._mlflow.finalize_logged_model(made.model_id, "READY")
        except BaseException:
            with suppress(RegistryError), self._faults.calls():
                self._mlflow.finalize_logged_model(made.model_id, "FAILED")
            raise
        return LoggedModel(made.model_id, run_id, made.artifact_location)

    def download(self, version: ModelVersion, into: Path) -> None:
        """Copy a version's model directory into an existing empty folder; verifies nothing.

        Raises ModelTooLarge where it is larger than a model may be, or than the disk.
        """
        with self._faults.calls():
            source = self._mlflow.get_model_version_download_uri(version.name, str(version.number))
        with self._faults.transfers():
            repository: Any = get_artifact_repository(
                source, tracking_uri=self.address.tracking_uri, registry_uri=self.address.registry_uri
            )
            downloads.download(repository, into, version.pinned_uri)

    # Within

    def _twice(self, change: Callable[..., object], *arguments: str) -> None:
        """A change whose repetition changes nothing, once more where another writer came between.

        SQL stores look for a row and then insert, update or delete it. Two writers of a new row meet in its
        primary key, two deleters in its absence, which is answered by BAD_REQUEST; then the second attempt
        finds the row as it is.
        """
        try:
            with self._faults.calls(allowed=frozenset({"BAD_REQUEST"})):
                change(*arguments)
        except Allowed:
            with self._faults.calls():
                change(*arguments)

    def _link(self, model_id: str, name: str, number: int) -> None:
        """Let MLflow's page of the logged model name its version: servers see to it, databases do not."""
        known = self._mlflow.get_logged_model(model_id).tags.get(tags.MLFLOW_MODEL_VERSIONS)
        linked = json.loads(known) if known else []
        if not any(item.get("name") == name and str(item.get("version")) == str(number) for item in linked):
            linked.append({"name": name, "version": number})
            said = {tags.MLFLOW_MODEL_VERSIONS: json.dumps(linked)}
            self._mlflow.set_logged_model_tags(model_id, said)


def _stage_of(alias: str) -> str:
    return alias.title() if alias in ("staging", "production") else "STAGE"


def _logged_name(name: str) -> str:
    """A registered name as a LoggedModel's, which may hold none of / : . % and quotes."""
    return "".join("-" if char in "/:.%\"'" else char for char in name)


def _listed(items: list[Any]) -> str:
    return ", ".join(str(item) for item in items) if items else "none"
