"""Approvals: who agrees that a version may stand in a stage.

An approval is a tag of the version, one for each stage and key. What is signed is the model's name, the version with
the digest of its SHA256SUMS, the stage, who and when, so that it can be carried to no other model, version or stage,
and is none of other bytes. `stagewright sign` vouches for bytes wherever they are; this is about one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from registry import tags
from registry.author import author
from registry.errors import ForeignVersion
from registry.trust import statements
from registry.trust.signing import PublicKey
from registry.trust.statements import Signer
from registry.versions import ModelVersion, Place

_APPROVAL = "approval"


def approval(version: ModelVersion, stage: Place, signer: Signer) -> dict[str, str]:
    """The tag that approves of a version, whose artifacts were verified, for a stage. Raises ForeignVersion."""
    if version.manifest_digest is None:
        raise ForeignVersion(
            f"{version.pinned_uri} was not packaged by stagewright: it has no manifest to approve of.",
            "Package and register the model with `stagewright register`.",
        )
    said = {"who": author(), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    signature = signer.sign(_statement(version, stage, said))
    return {tags.approval(stage.value, signer.public.fingerprint): statements.written(signature, **said)}


def approves(version: ModelVersion, stage: Place, key: PublicKey) -> bool:
    """Whether a key approved of a version, as it is now, for a stage."""
    tag = tags.approval(stage.value, key.fingerprint)
    if version.manifest_digest is None or tag not in version.tags:
        return False
    said = statements.read(tag, version.tags[tag], version.pinned_uri)
    return said is not None and statements.verifies(
        _statement(version, stage, said), said[statements.SIGNATURE], key
    )


def _statement(version: ModelVersion, stage: Place, said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        statements.KIND: _APPROVAL,
        "model": version.name,
        "version": version.number,
        "manifest": version.manifest_digest,
        "stage": stage.value,
        "who": said.get("who"),
        "at": said.get("at"),
    }
