"""From a packaged model directory to a version of a registered model."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from registry import tags
from registry.errors import ArtifactMismatch, ForeignVersion, RegistryError, RegistryFault, VersionNotReady
from registry.ledger.history import Event, EventKind, events_in, record
from registry.registration.source_control import current_commit
from registry.runs import Outcome, RunStatus
from registry.trust import artifacts, policy
from registry.trust.packaged import PackagedModel
from registry.uri import checked_name
from registry.versions import ModelVersion, Stage

if TYPE_CHECKING:
    from registry.client import Client, LoggedModel

EXPERIMENT = "stagewright"
PURPOSE = "registration"
READY_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Registration:
    """The version that a packaged model has, and whether this call made it.

    `warnings`: a line for each other version that claims this model's digest and has other files.
    """

    version: ModelVersion
    created: bool
    warnings: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """For notebooks: the version, and what is to be said of it."""
        said = () if self.created else ("This very model was registered already.",)
        lines = "".join(f"<p>{escape(line)}</p>" for line in (*said, *self.warnings))
        return lines + self.version._repr_html_()


@dataclass(frozen=True, slots=True)
class Request:
    """A wish to register: which directory, under which name, and what the user says about it.

    `provenance`: tags that say where it comes from, in place of the current folder's commit.
    """

    directory: Path
    name: str
    user_tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    source_run_id: str | None = None
    provenance: Mapping[str, str] | None = field(default=None, hash=False)
    because: str = ""


def register(client: Client, request: Request) -> Registration:
    """Make a version of a packaged model, or find the one that it has under this name already.

    A version that says that it is this model counts only once its files were fetched and found to be this model's.

    The version is the last thing made, with all its tags in the request that makes it: what fails before
    leaves a FAILED run and a FAILED logged model, never a version. A version that exists keeps its tags.

    Two processes that register the same model at once may both make a version. Each then looks again, the
    lowest number stays, and whoever made another one deletes it unless it was promoted meanwhile. A process
    that is killed between making and looking leaves a second version of the same bytes: true, but
    superfluous.

    Raises InvalidPackage, InvalidName, InvalidTag, RunNotFound or PolicyRefused.
    """
    name = checked_name(request.name)
    user_tags = tags.checked(request.user_tags)
    package = PackagedModel.read(request.directory)
    if request.source_run_id is not None:
        client.runs.get(request.source_run_id)
    policy.check_package(name, {}, package.pickled)  # this machine's, before a model of this name is made
    policy.check_package(name, client.ensure_model(name).tags, package.pickled)
    same = _Same(client, name, package)
    if (known := same.first()) is not None:
        return Registration(_recorded(client, known, request), created=False, warnings=same.warnings)
    said = {**package.as_tags(), **_provenance(request), **user_tags}
    made = client.create_version(name, *_upload(client, request, package, said))
    return _only_one(client, _awaited(client, made), same, request)


def _awaited(client: Client, made: ModelVersion) -> ModelVersion:
    """A version once it is READY: at once on MLflow's own stores, after a copy on others."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while made.status == "PENDING_REGISTRATION" and time.monotonic() < deadline:
        time.sleep(1)
        made = client.version(made.name, made.number)
    if not made.ready:
        raise VersionNotReady(
            f"{made.pinned_uri} is {made.status} after {READY_TIMEOUT_S} s.",
            f"Look at `stagewright versions {made.name}` and register the model again if it failed.",
        )
    return made


def _only_one(client: Client, made: ModelVersion, same: _Same, request: Request) -> Registration:
    first = same.first(made) or made
    if first.number == made.number:
        return Registration(_recorded(client, made, request), created=True, warnings=same.warnings)
    now = client.version(made.name, made.number)
    if now.stage is Stage.NONE and not now.aliases:
        client.delete_version(now)
    return Registration(_recorded(client, first, request), created=False, warnings=same.warnings)


class _Same:
    """The versions that are this model: by their files, for a tag says what whoever wrote it wants."""

    def __init__(self, client: Client, name: str, package: PackagedModel) -> None:
        self._client, self._name, self._package = client, name, package
        self._found: dict[int, str] = {}  # number -> what is wrong with it

    def first(self, made: ModelVersion | None = None) -> ModelVersion | None:
        """The lowest of them; `made` needs no look, for its files are those that were just uploaded."""
        for version in self._client.versions(self._name):
            if not version.ready or version.model_digest != self._package.model_digest:
                continue
            if made is not None and version.number == made.number:
                return version
            if version.number not in self._found:
                self._found[version.number] = self._difference(version)
            if not self._found[version.number]:
                return version
        return None

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(
            f"Version {number} claims the digest of this model, but is not this model: {difference}"
            for number, difference in sorted(self._found.items())
            if difference
        )

    def _difference(self, version: ModelVersion) -> str:
        with tempfile.TemporaryDirectory(prefix="stagewright-same-") as scratch:
            try:
                found = artifacts.fetch(self._client, version, Path(scratch))
            except (ArtifactMismatch, ForeignVersion, RegistryFault) as fault:
                return fault.message
        return "" if found.contents == self._package.contents else "its graph is another one."


def _recorded(client: Client, version: ModelVersion, request: Request) -> ModelVersion:
    """See to it that the ledger tells of a version, also where its maker was killed before saying so."""
    told = any(
        event.kind is EventKind.REGISTERED and event.version == version.number
        for event in events_in(client.model(version.name).tags)
    )
    if not told:
        more = {"model_digest": version.model_digest}
        event = Event(EventKind.REGISTERED, version.number, Stage.NONE, because=request.because, more=more)
        record(client, version.name, event)
    return version


def _upload(
    client: Client, request: Request, package: PackagedModel, said: Mapping[str, str]
) -> tuple[LoggedModel, dict[str, str]]:
    """The uploaded directory and the tags of the version to be made from it."""
    own = request.source_run_id is None
    if own:
        with suppress(RegistryError):
            client.runs.end_abandoned(EXPERIMENT)
    run_id = request.source_run_id or client.runs.start(EXPERIMENT, request.name, {tags.RUN_PURPOSE: PURPOSE})
    try:
        logged = client.log_model(run_id, request.name, said, package.directory)
    except BaseException:
        with suppress(RegistryError):
            _close(client, run_id, own, Outcome(RunStatus.FAILED))
        raise
    _close(client, run_id, own, Outcome(params=_params(package)))
    return logged, {**said, tags.SOURCE_RUN: run_id, tags.LOGGED_MODEL: logged.model_id}


def _close(client: Client, run_id: str, own: bool, outcome: Outcome) -> None:
    """End the run that was made for the registration; a training run is its owner's to end."""
    if own:
        client.runs.finish(run_id, outcome)


def _params(package: PackagedModel) -> dict[str, object]:
    return {
        "architecture": package.architecture,
        "kind": package.kind,
        "precisions": ",".join(package.precisions),
    }


def _provenance(request: Request) -> Mapping[str, str]:
    if request.provenance is not None:
        return request.provenance
    commit = current_commit(Path.cwd())
    if commit is None:
        return {}
    return {tags.GIT_COMMIT: commit.sha, tags.GIT_DIRTY: str(commit.dirty).lower()}
