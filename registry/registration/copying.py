"""A version of another registry as a version of this one: its files, and what was said of them.

The files are fetched and verified, so the copy is the same model by its digest. What is said of bytes goes along: tags
of the user's own, signatures, figures of evaluations, the commit. What is said of a name and a number (approvals,
signed figures, comparisons with other versions) is true of the copy only where these are the same here, and is left
behind where they are not.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from registry import tags
from registry.connection import without_user
from registry.errors import VersionNotFound
from registry.ledger.history import checked_reason
from registry.registration.registering import Registration, Request, register
from registry.trust import artifacts
from registry.uri import checked_name
from registry.versions import ModelVersion

if TYPE_CHECKING:
    from registry.client import Client

# Of bytes, wherever they are.
_OF_BYTES = (tags.EVIDENCE, tags.SIGNATURE, tags.GIT_COMMIT, tags.GIT_DIRTY)
# Of one version of one model in one registry.
_OF_A_PLACE = (tags.APPROVAL, tags.EVIDENCE_SIGNATURE, tags.COMPARISON, tags.COMPARISON_SIGNATURE)
# `stagewright.evidence.DATASET.PRECISION`: figures of one evaluation stay together, and those of one comparison.
_GROUPED = (tags.EVIDENCE, tags.COMPARISON)


@dataclass(frozen=True, slots=True)
class Copied:
    """The version that a copy has, whether this call made it, and what did not come along, in words."""

    registration: Registration
    left: tuple[str, ...] = ()


def copy(client: Client, version: ModelVersion, to: Client, name: str, because: str = "") -> Copied:
    """Make `version` of the registry of `client` a version of `name` in the registry of `to`, or find the one it is.

    A version that is there keeps what it says, and is told what it does not say yet; so what was killed is completed by
    the same call again. Raises ForeignVersion, ArtifactMismatch, InvalidName, InvalidReason, PolicyRefused.
    """
    checked_name(name)
    said, origin = _said(version.tags), _origin(client, version)
    reason = checked_reason(because or f"copied from {version.pinned_uri} in {_home(client)}")
    with tempfile.TemporaryDirectory(prefix="stagewright-copy-") as scratch:
        package = artifacts.fetch(client, version, Path(scratch))
        request = Request(
            package.directory, name, _own(version.tags), provenance={**said, **origin}, because=reason
        )
        done = register(to, request)
    added, left = _missing(done.version, _own(version.tags) | said)
    of_place, stayed = _of_the_place(client, version, to, done.version)
    more, kept = _missing(done.version, of_place)
    to.set_version_tags(done.version, added | more)
    found = to.version(name, done.version.number)
    return Copied(replace(done, version=found), (*left, *kept, *stayed))


def _home(client: Client) -> str:
    return without_user(str(client.address))


def _own(said: Mapping[str, str]) -> dict[str, str]:
    """The tags that are neither ours nor MLflow's."""
    return {key: value for key, value in said.items() if not tags.is_reserved(key)}


def _said(said: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in said.items() if key.startswith(_OF_BYTES)}


def _origin(client: Client, version: ModelVersion) -> dict[str, str]:
    document = {"registry": _home(client), "model": version.name, "version": version.number}
    return {tags.COPIED_FROM: json.dumps(document | {"run": version.source_run_id}, sort_keys=True)}


def _missing(there: ModelVersion, wanted: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The groups of tags that a version has nothing of, and a line for each that says otherwise there."""
    known, new, left = {_group(key) for key in there.tags}, dict[str, str](), []
    for group, said in _groups(wanted).items():
        if group not in known:
            new |= said
        elif any(there.tags.get(key) != value for key, value in said.items()):
            left.append(f"{group}: version {there.number} says otherwise, and keeps what it says.")
    return new, left


def _groups(said: Mapping[str, str]) -> dict[str, dict[str, str]]:
    groups = defaultdict[str, dict[str, str]](dict)
    for key, value in said.items():
        groups[_group(key)][key] = value
    return groups


def _group(key: str) -> str:
    prefix = next((prefix for prefix in _GROUPED if key.startswith(prefix)), None)
    return key if prefix is None else prefix + ".".join(key.removeprefix(prefix).split(".")[:2])


def _of_the_place(
    client: Client, version: ModelVersion, to: Client, made: ModelVersion
) -> tuple[dict[str, str], list[str]]:
    """What is said of this name and number, where the copy has them; else a line for each kind of it."""
    said = {key: value for key, value in version.tags.items() if key.startswith(_OF_A_PLACE)}
    if (version.name, version.number) != (made.name, made.number):
        return {}, [_stays(prefix, version) for prefix in _prefixes(said)]
    others = {against: _is_same(client, to, version.name, against) for against in _compared(said)}
    holds = {key: value for key, value in said.items() if all(others[each] for each in _compared([key]))}
    return holds, [_stays(prefix, version) for prefix in _prefixes(said.keys() - holds.keys())]


def _prefixes(keys: Iterable[str]) -> list[str]:
    return [prefix for prefix in _OF_A_PLACE if any(key.startswith(prefix) for key in keys)]


def _stays(prefix: str, version: ModelVersion) -> str:
    what = prefix.removeprefix(tags.NAMESPACE).rstrip(".").replace("_", " ")
    return f"{what}: said of {version.pinned_uri} there, which no version is here; it has to be given here again."


def _compared(keys: Iterable[str]) -> set[int]:
    """The numbers that comparisons are with."""
    found = set()
    for key in keys:
        prefix = next(
            (one for one in (tags.COMPARISON_SIGNATURE, tags.COMPARISON) if key.startswith(one)), None
        )
        against = "" if prefix is None else key.removeprefix(prefix).partition(".")[0]
        if against.isascii() and against.isdigit() and len(against) < 19:
            found.add(int(against))
    return found


def _is_same(client: Client, to: Client, name: str, number: int) -> bool:
    """Whether a number is the same files in both registries."""
    try:
        pair = [each.version(name, number).manifest_digest for each in (client, to)]
    except VersionNotFound:
        return False
    return pair[0] is not None and pair[0] == pair[1]
