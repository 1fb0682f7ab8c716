"""What may be registered and used: no pickled code, signed versions only, jobs from one stage only.

A policy is declared in two places, and what either refuses is refused. One is a tag of the registered model:
it travels with the registry, MLflow's page shows it, and whoever may write to the model may change it. The
other is a file on the machine that runs the job, which nobody with mere access to the registry can change.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry import resolution, tag_values, tags
from registry.author import author
from registry.errors import PolicyRefused, SignatureRefused, StageEmpty, UserError
from registry.toml_tables import Table
from registry.trust import signing
from registry.uri import ModelUri
from registry.versions import ModelVersion, Stage

if TYPE_CHECKING:
    from registry.client import Client

FILE_VARIABLE = "STAGEWRIGHT_POLICY"
DEFAULT_FILE = "policy.toml"
PICKLED, FOREIGN = "pickled", "foreign"
STAGES = (Stage.STAGING, Stage.PRODUCTION)
# MLflow's SqlRegisteredModelTag.value is String(5000), which PostgreSQL enforces; a key takes about 190.
MAX_CHARS = 4900


class Use(StrEnum):
    """What a version is wanted for: a job's answers, the rest of a job that was allowed when it began, or to find out
    how good it is before it may give any.
    """

    SCORING = "scoring"
    RESUMPTION = "resumption"
    EVALUATION = "evaluation"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is refused; by default nothing. `declared` says where, for messages.

    With `public_keys`, one of them must have signed. `only_stage` is asked of jobs, not of evaluations, for
    a version is evaluated before it gets there. With `move_keys`, moves in the ledger count only if one of them
    signed the move (`registry.ledger.vouching`). `refuse_foreign`, `allow_foreign`: versions that stagewright did not
    package (`registry.trust.foreign`); only this machine's file can allow them.
    """

    declared: str
    refuse_pickled: bool = False
    public_keys: tuple[signing.PublicKey, ...] = ()
    only_stage: Stage | None = None
    set_by: str = ""
    set_at: str = ""
    move_keys: tuple[signing.PublicKey, ...] = ()
    refuse_foreign: bool = False
    allow_foreign: bool = False

    def check_pickled(self, what: str, pickled: Sequence[str]) -> None:
        """Raises PolicyRefused where `what` has pickled parts and may not."""
        if self.refuse_pickled and pickled:
            raise PolicyRefused(
                f"{what} has pickled parts ({', '.join(pickled)}), which {self.declared} refuses.",
                "Package the model without callables of your own.",
            )

    def check_signature(self, version: ModelVersion) -> None:
        """Raises PolicyRefused where a signature is wanted and there is none that is right."""
        if not self.public_keys:
            return
        try:
            signing.verify(version, self.public_keys)
        except SignatureRefused as refused:
            raise PolicyRefused(
                f"{refused.message} Signatures are asked for by {self.declared}.", refused.hint
            ) from refused

    @property
    def rules(self) -> tuple[str, ...]:
        """What it asks for, in words; nothing where it refuses nothing."""
        said = {
            "refuses pickled parts": self.refuse_pickled,
            "refuses what stagewright did not package": self.refuse_foreign,
            f"asks for a signature by {' or '.join(key.shown for key in self.public_keys)}": self.public_keys,
            f"lets jobs use {self.only_stage} only": self.only_stage,
        }
        return tuple(rule for rule, holds in said.items() if holds)

    def document(self) -> dict[str, Any]:
        """As the registered model's tag keeps it, without what is empty."""
        said = {
            "refuse": [
                *([PICKLED] if self.refuse_pickled else []),
                *([FOREIGN] if self.refuse_foreign else []),
            ],
            "public_keys": [key.pem for key in self.public_keys],
            "only_stage": self.only_stage.value if self.only_stage else "",
            "move_keys": [key.pem for key in self.move_keys],
            "set_by": self.set_by,
            "set_at": self.set_at,
        }
        return {key: value for key, value in said.items() if value}

    @classmethod
    def read(cls, said: Table, key_of: Callable[[str], signing.PublicKey], declared: str) -> Policy:
        """From a table with the keys of `document`. Raises UserError on what it does not know.

        `key_of` makes a key of a word of `public_keys` or `move_keys`.
        """
        refuse = said.words("refuse")
        for word in refuse:
            if word not in (PICKLED, FOREIGN):
                raise said.wrong(
                    "refuse", f"{word!r} cannot be refused; there are {PICKLED!r} and {FOREIGN!r}"
                )
        allow = said.words("allow")
        if allow not in ((), (FOREIGN,)):
            raise said.wrong("allow", f"{list(allow)!r} cannot be allowed; there is {FOREIGN!r}")
        stage = said.text("only_stage", one_of=[stage.value for stage in STAGES])
        policy = cls(
            declared=declared,
            refuse_pickled=PICKLED in refuse,
            refuse_foreign=FOREIGN in refuse,
            allow_foreign=bool(allow),
            public_keys=tuple(map(key_of, said.words("public_keys"))),
            move_keys=tuple(map(key_of, said.words("move_keys"))),
            only_stage=Stage(stage) if stage else None,
            set_by=said.text("set_by") or "",
            set_at=said.text("set_at") or "",
        )
        said.finish()
        return policy


def local() -> Policy | None:
    """The file's policy: the one that STAGEWRIGHT_POLICY names, else ./policy.toml; None where neither is.

    Raises UserError where the variable names no file, or the file says nothing or has a mistake: a file that
    was lost or cut short must not let everything in.
    """
    named = os.environ.get(FILE_VARIABLE)
    if named == "":
        raise UserError(
            f"{FILE_VARIABLE} is set and names no file.", "Name the policy's file, or unset the variable."
        )
    file = Path(named or DEFAULT_FILE)
    if named is None and not os.path.lexists(file):
        return None
    said = Table.load(file)
    if not said.keys:
        raise UserError(
            f"The policy {str(file)!r} is empty.",
            "Write what it refuses; `refuse = []` says that it refuses nothing.",
        )
    if said.flag("require_signature") != bool(said.words("public_keys")):
        raise said.wrong("require_signature", "and public_keys go together: true, and one file or more")
    return Policy.read(said, lambda name: signing.PublicKey.read(file.parent / name), str(file))


def registered(name: str, of_model: Mapping[str, str]) -> Policy:
    """The policy among a registered model's tags; one that refuses nothing where there is none.

    Raises PolicyRefused where it cannot be understood: then nobody knows what it refuses.
    """
    declared = f"the policy of {name!r}"
    text = of_model.get(tags.POLICY)
    if text is None:
        return Policy(declared)
    try:
        said = Table(f"the tag {tags.POLICY} of {name!r}", "", tag_values.document(text))
        return Policy.read(said, lambda pem: signing.PublicKey.parse(pem, said.file), declared)
    except (ValueError, UserError) as fault:
        raise PolicyRefused(
            f"{declared[0].upper()}{declared[1:]} cannot be understood: {fault}",
            f"Set it again: `stagewright policy {name} …`, or use the stagewright that wrote it.",
        ) from fault


def declare(client: Client, name: str, policy: Policy) -> Policy:
    """Make this the policy of a registered model, in place of what it had. Raises ModelNotFound, UserError."""
    client.model(name)
    signed = replace(
        policy,
        declared=f"the policy of {name!r}",
        set_by=author(),
        set_at=datetime.now(UTC).isoformat(timespec="seconds"),
        allow_foreign=False,  # no tag can
    )
    text = json.dumps(signed.document(), ensure_ascii=False, separators=(",", ":"))
    if len(text) > MAX_CHARS:
        raise UserError(
            f"The policy takes {len(text)} characters; a model's tag keeps {MAX_CHARS}.", "Trust fewer keys."
        )
    client.set_model_tag(name, tags.POLICY, text)
    return signed


def check(client: Client, version: ModelVersion, use: Use) -> None:
    """Hold a version, as the caller has it and fetches it, against every policy that there is now.

    Not how a job names its version counts, but where that version stands: `models:/NAME/3` may be used
    while version 3 is in `only_stage`. Raises PolicyRefused before anything is downloaded.
    """
    for policy in _policies(version.name, client.model(version.name).tags):
        policy.check_pickled(version.pinned_uri, version.pickled)
        policy.check_signature(version)
        if policy.only_stage and use is Use.SCORING:
            _check_stage(client, version, policy, policy.only_stage)


def check_package(name: str, of_model: Mapping[str, str], pickled: Sequence[str]) -> None:
    """Whether a packaged model may become a version. Raises PolicyRefused.

    A signature is no matter of registering: what is signed is a version, once it is there.
    """
    for policy in _policies(name, of_model):
        policy.check_pickled(f"The model for {name!r}", pickled)


def demanding_signed_moves(name: str, of_model: Mapping[str, str]) -> tuple[Policy, ...]:
    """The policies that name the keys of those who may move a version. Raises PolicyRefused, UserError."""
    return tuple(found for found in _policies(name, of_model) if found.move_keys)


def _policies(name: str, of_model: Mapping[str, str]) -> Iterator[Policy]:
    here = local()
    if here is not None:
        yield here
    yield registered(name, of_model)


def _check_stage(client: Client, version: ModelVersion, policy: Policy, stage: Stage) -> None:
    try:
        now = resolution.resolve(client, ModelUri(version.name, stage)).number
        there = f"version {now}"
    except StageEmpty:
        now, there = None, "no version"
    if now != version.number:
        raise PolicyRefused(
            f"{version.pinned_uri} is not in {stage.value}, which has {there} now; {policy.declared} lets jobs "
            f"use that stage only.",
            f"Name models:/{version.name}/{stage.value}, or "
            f"`stagewright promote {version.name} {version.number} {stage.value}`.",
        )
