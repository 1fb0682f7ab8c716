"""One registry, as notebooks, jobs and the command line use it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from registry import resolution, run_links, tag_values
from registry import tags as keys
from registry.connection import Address
from registry.errors import UserError
from registry.gates import Judges
from registry.hooks import delivering
from registry.hooks.hook import Hook
from registry.ledger import auditing, exporting, look, moves, promotion
from registry.ledger.history import Event
from registry.ledger.look import Ledger
from registry.ledger.standing import Standing, at
from registry.registration import copying
from registry.registration import registering as registration
from registry.runs import Outcome, Run
from registry.trust import approvals, artifacts, foreign, policy, signing
from registry.trust.policy import Policy, Use
from registry.trust.statements import Signer
from registry.uri import ModelUri
from registry.versions import DeclaredStage, ModelVersion, Place, Stage

if TYPE_CHECKING:
    from registry.client import Client


class Registry:
    """Model versions, where they stand and who moved them; connects when first asked.

    Without arguments it is the registry that MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI name, else
    `mlflow.db` in the current folder. Every method raises RegistryUnreachable within the time that
    `registry.connection` states.
    """

    def __init__(self, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        self.address = Address.find(tracking_uri, registry_uri)

    def register(
        self,
        path: Path | str,
        name: str,
        tags: Mapping[str, str] | None = None,
        source_run_id: str | None = None,
    ) -> registration.Registration:
        """Make a version of a packaged model directory; see `registry.registration.register`.

        A live module is registered by `jobs.register(module, name, preprocess)`.
        """
        if not isinstance(path, str | Path):
            raise UserError(
                f"Registry.register takes the directory of a packaged model, and not {type(path).__name__}.",
                "Register a module by `jobs.register(module, name, preprocess)`, or package it first.",
            )
        return registration.register(
            self._client, registration.Request(Path(path), name, tags or {}, source_run_id)
        )

    def copy(
        self, version: ModelVersion, to: Registry, name: str | None = None, because: str = ""
    ) -> copying.Copied:
        """Make a version of this registry a version of another one; see `registry.registration.copying.copy`."""
        return copying.copy(self._client, version, to._client, name or version.name, because)

    def resolve(self, uri: str | ModelUri) -> ModelVersion:
        """The one version that a `models:/` reference means now; see `registry.resolution.resolve`.

        What the registry shows is what is meant, also in the middle of a move: the ledger is not asked.
        """
        wanted = ModelUri.parse(uri) if isinstance(uri, str) else uri
        self._tell_of_unfinished(wanted.name)
        return resolution.resolve(self._client, wanted)

    def fetch(self, version: ModelVersion, into: Path | str) -> Path:
        """A verified copy of a version's model directory below `into`; see `registry.artifacts.fetch`."""
        return artifacts.fetch(self._client, version, Path(into)).directory

    def policy(self, name: str) -> Policy:
        """What a registered model's own policy refuses; this machine's file is apart, see `registry.policy`."""
        return policy.registered(name, self._client.model(name).tags)

    def policy_here(self) -> Policy | None:
        """What this machine's file refuses, for every model; None without one. Raises UserError."""
        return policy.local()

    def set_policy(self, name: str, wanted: Policy) -> Policy:
        """Make this a registered model's policy, in place of what it had."""
        return policy.declare(self._client, name, wanted)

    def check(self, version: ModelVersion, use: Use = Use.SCORING, allow_foreign: bool = False) -> None:
        """Hold a version against the model's policy and this machine's. Raises PolicyRefused, ForeignVersion.

        `allow_foreign`: whether it may be one that stagewright did not package; see `registry.trust.foreign`.
        """
        policy.check(self._client, version, use)
        foreign.check(self._client, version, allow_foreign)

    def fetch_foreign(self, version: ModelVersion, into: Path | str) -> foreign.Foreign:
        """A copy of a version that stagewright did not package, below `into`, and the digest of what that is."""
        return foreign.fetch(self._client, version, Path(into))

    def sign(
        self, version: ModelVersion, private_key: Path | str, password: str | None = None
    ) -> signing.PublicKey:
        """Vouch for a version's bytes, once they are fetched and verified; gives the key's public half."""
        return self.vouch(version, private_key, password).key

    def vouch(
        self, version: ModelVersion, private_key: Path | str, password: str | None = None
    ) -> signing.Vouched:
        """As `sign`, and says what was signed: what was fetched and verified in this call, by its files.

        Raises UserError where the key cannot be used, before anything is fetched; ForeignVersion, ArtifactMismatch.
        """
        signer = signing.Signer.read(Path(private_key), password)
        with tempfile.TemporaryDirectory(prefix="stagewright-sign-") as scratch:
            package = artifacts.fetch(self._client, version, Path(scratch))
        self.set_version_tags(version, {keys.signature(signer.public.fingerprint): signer.sign(package)})
        return signing.Vouched(
            signer.public,
            version,
            package.model_digest,
            package.manifest_digest,
            package.files,
            package.pickled,
        )

    def verify(self, version: ModelVersion, trusted: Sequence[signing.PublicKey]) -> signing.PublicKey:
        """Which trusted key signed a version, all of whose files are as it signed them; see `registry.signing`.

        Raises SignatureRefused, ArtifactMismatch.
        """
        key = signing.verify(version, trusted)
        with tempfile.TemporaryDirectory(prefix="stagewright-verify-") as scratch:
            self.fetch(version, scratch)
        return key

    def approve(self, version: ModelVersion, stage: Place | str, signer: Signer) -> None:
        """Agree that a version may stand in a stage, once its bytes are fetched and verified; for gates to ask."""
        where = _stage(stage)
        with tempfile.TemporaryDirectory(prefix="stagewright-approve-") as scratch:
            self.fetch(version, scratch)
        self.set_version_tags(version, approvals.approval(version, where, signer))

    def promote(
        self,
        name: str,
        number: int,
        stage: Place | str,
        because: str = "",
        **more: Unpack[moves.Conditions],
    ) -> moves.Promotion:
        """Move a version to a stage, with its alias; see `registry.promotion.promote`.

        A declared stage is known by the `judge` that `Gates.of` gives.
        The event is signed by `signer`, by default with the key that STAGEWRIGHT_PRIVATE_KEY names, if it names one.
        """
        more["signer"] = more.get("signer") or Signer.configured()
        move = moves.Move(name, number, _stage(stage, more.get("judge")), because, **more)
        with tag_values.once():
            return promotion.promote(self._client, move)

    def rollback(
        self, name: str, stage: Place | str, because: str = "", signer: Signer | None = None
    ) -> moves.Promotion:
        """Move the version before back into a stage; see `registry.promotion.rollback`, and `promote` on `signer`."""
        with tag_values.once():
            return promotion.rollback(
                self._client, name, _any_stage(stage), because, signer or Signer.configured()
            )

    def begin_hooks(self, name: str, hooks: Sequence[Hook]) -> None:
        """Before a move that hooks are to be told of; see `registry.hooks.delivering.begin`."""
        delivering.begin(self._client, name, hooks)

    def deliver(self, name: str, hooks: Sequence[Hook]) -> Iterator[delivering.Delivery]:
        """Tell hooks of a model's events, each at least once; see `registry.hooks.delivering.deliver`."""
        return delivering.deliver(self._client, name, hooks)

    def history(self, name: str) -> list[Event]:
        """Everything that happened to a model's versions, oldest first.

        At the end, without an id, is what was changed outside and no promotion has written down yet.
        """
        ledger = self._look(name)
        return [*ledger.events, *ledger.outside]

    def exported(self, name: str) -> dict[str, Any]:
        """The history as one JSON document; see `registry.ledger.exporting`. Raises UserError on a broken chain."""
        return exporting.document(self._look(name), str(self.address))

    def import_history(self, name: str, file: Path | str) -> int:
        """Keep another registry's exported history beside a model's own; how many events were not there yet.

        It says nothing of where versions stand here. Raises UserError where the file is not whole.
        """
        return exporting.take_in(self._client, name, *exporting.load(Path(file)))

    def imported(self, name: str) -> list[exporting.Imported]:
        """The events that were imported, each with where it is from; no part of `history`."""
        return exporting.imported_in(self._client.model(name).tags)

    def audit(self, name: str, trusted: Sequence[signing.PublicKey]) -> list[auditing.Audited]:
        """The history with what keys say of each event; see `registry.ledger.auditing`."""
        return auditing.audit(self._look(name), trusted)

    def standing(self, name: str, moment: datetime | None = None) -> Standing:
        """Which version stood where at a moment, as the ledger tells it; now, without one."""
        return at(self.counted(name), moment or datetime.now(UTC))

    def counted(self, name: str) -> list[Event]:
        """The history without the moves that do not count, since a policy wants moves to be signed by others."""
        ledger = self._look(name)
        return [*ledger.counted, *ledger.outside]

    def faults(self, name: str) -> list[tuple[str, str]]:
        """What is wrong with where a model's versions stand, each with what to do; empty where all is well."""
        return look.faults(Ledger.shown(self._client, name))

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of a model, lowest number first, with their stages and aliases."""
        self._tell_of_unfinished(name)
        return self._client.versions(name)

    def names(self) -> list[str]:
        """The names of the first models, in no promised order; for a look at what there is."""
        return self._client.model_names()

    def start_run(
        self,
        experiment: str,
        name: str,
        tags: Mapping[str, str] | None = None,
        version: ModelVersion | None = None,
    ) -> str:
        """Begin an MLflow run and give its id; a run of a version is found again by `jobs_of`. Raises RunRefused."""
        return self._client.runs.start(experiment, name, {**(tags or {}), **run_links.of_job(version)})

    def resume_run(
        self,
        run_id: str,
        tags: Mapping[str, str] | None = None,
        version: ModelVersion | None = None,
        experiment: str | None = None,
    ) -> str:
        """Have an MLflow run that is there say what a new one of `start_run` would.

        It has to be of `experiment`, if any is given. Raises RunNotFound, RunRefused, and UserError where it was
        deleted or is of another experiment.
        """
        return self._client.runs.resume(run_id, experiment, {**(tags or {}), **run_links.of_job(version)})

    def end_abandoned_runs(self, experiment: str) -> list[str]:
        """End as KILLED the runs of an experiment whose process, on this machine, is gone without a word; their ids."""
        return self._client.runs.end_abandoned(experiment)

    def finish_run(self, run_id: str, outcome: Outcome) -> None:
        """Record a run's metrics, params and tags, and end it with its status."""
        self._client.runs.finish(run_id, outcome)

    def log_files(self, run_id: str, directory: Path | str, place: str = "") -> None:
        """Keep a directory's files among a run's artifacts, below `place`."""
        self._client.runs.log_files(run_id, Path(directory), place)

    def set_version_tags(self, version: ModelVersion, tags: Mapping[str, str]) -> None:
        """Set tags of a version, such as figures that were measured after it was registered."""
        self._client.set_version_tags(version, tags)

    def run(self, run_id: str) -> Run:
        """One run, of a job or of a registration."""
        return self._client.runs.get(run_id)

    def jobs_of(self, version: ModelVersion) -> list[Run]:
        """The runs that used a version, newest first."""
        return self._client.runs.tagged(run_links.link(version))

    def last_jobs(self, name: str, most: int) -> list[Run]:
        """The newest runs that used any version of a model, newest first."""
        return self._client.runs.latest({keys.RUN_MODEL_NAME: name}, most)

    def jobs_before(self, run: Run, most: int) -> list[Run]:
        """The newest finished scoring jobs of the same model and stage that had begun before a job's run."""
        wanted = run_links.alike(run)
        found = self._client.runs.finished(wanted, run.started_at, most + 1) if wanted else []
        return [each for each in found if each.run_id != run.run_id][:most]

    def run_file(self, run_id: str, name: str, max_bytes: int) -> bytes | None:
        """A file from the top of a run's artifacts; None where it has none of that name.

        Raises UserError on a larger one.
        """
        return self._client.runs.file(run_id, name, max_bytes)

    def model_of(self, run_id: str) -> ModelVersion:
        """The version that a run used. Raises RunNotFound where it is no run of a version."""
        return self._client.version(*run_links.used_by(self._client.runs.get(run_id)))

    def _tell_of_unfinished(self, name: str) -> None:
        if look.begun(self._client.model(name)):
            self._look(name)

    def _look(self, name: str) -> Ledger:
        """The ledger as it is, with a line for each thing that the next move has to mend."""
        ledger = Ledger.shown(self._client, name)
        for line in (*look.unfinished(ledger), ledger.passed_over):
            if line:
                tag_values.warn(line)
        return ledger

    @cached_property
    def _client(self) -> Client:
        # Importing MLflow takes 2 s, which `stagewright --help` need not wait for.
        from registry.client import Client

        return Client(self.address)


def _stage(stage: Place | str, judge: moves.Judge | None = None) -> Place:
    """A stage that a version may be moved to: MLflow's, or the declared one of its judge. Raises InvalidStage."""
    if isinstance(stage, DeclaredStage):
        return stage
    if isinstance(judge, Judges) and judge.stage == stage:
        return judge.stage
    return Stage.parse(stage)


def _any_stage(stage: str) -> Place:
    """A stage that a ledger may know. Raises InvalidStage."""
    return DeclaredStage(stage) if DeclaredStage.fits(stage) else Stage.parse(stage)
