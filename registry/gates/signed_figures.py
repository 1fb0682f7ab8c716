"""Figures that a key vouches for: what an evaluation or a comparison found, signed by whoever let it run.

A signature is a tag of the version beside the figures' own, one for each key. What is signed is the model's name, the
version with the digest of its SHA256SUMS, the photos by name and digest, the run, the time and every figure; of a
comparison also which bytes it was held against. The tag names the figures, so one that was added later, or that an
earlier evaluation left, is not taken for signed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from registry import tags
from registry.gates.evidence import Comparison, Evidence, written
from registry.trust import statements
from registry.trust.signing import PublicKey
from registry.trust.statements import Signer
from registry.versions import ModelVersion

_EVIDENCE, _COMPARISON = "evidence", "comparison"
_FIGURES = "figures"


def evidence_tags(version: ModelVersion, evidence: Evidence, signer: Signer) -> dict[str, str]:
    """The tag that signs an evaluation of a version."""
    key = tags.evidence_signature(evidence.dataset, evidence.precision, signer.public.fingerprint)
    return {key: _signed(_of_evidence(version, evidence), evidence.metrics, signer)}


def comparison_tags(
    version: ModelVersion, comparison: Comparison, other: ModelVersion, signer: Signer
) -> dict[str, str]:
    """The tag that signs a comparison of a version with `other`."""
    key = tags.comparison_signature(comparison.against, comparison.dataset, signer.public.fingerprint)
    return {key: _signed(_of_comparison(version, comparison, other), comparison.metrics, signer)}


def signed_evidence(version: ModelVersion, evidence: Evidence, keys: Sequence[PublicKey]) -> Evidence | None:
    """An evaluation with those of its figures that one of the keys signed; None where none did."""
    for key in keys:
        tag = tags.evidence_signature(evidence.dataset, evidence.precision, key.fingerprint)
        stated = _stated(version, tag, evidence.metrics)
        if stated is not None:
            found = replace(evidence, metrics=stated[1])
            if statements.verifies(_of_evidence(version, found), stated[0], key):
                return found
    return None


def signed_comparison(
    version: ModelVersion, comparison: Comparison, other: ModelVersion, keys: Sequence[PublicKey]
) -> Comparison | None:
    """As `signed_evidence`, of a comparison with `other` as it is now."""
    for key in keys:
        tag = tags.comparison_signature(comparison.against, comparison.dataset, key.fingerprint)
        stated = _stated(version, tag, comparison.metrics)
        if stated is not None:
            found = replace(comparison, metrics=stated[1])
            if statements.verifies(_of_comparison(version, found, other), stated[0], key):
                return found
    return None


def _of_evidence(version: ModelVersion, evidence: Evidence) -> dict[str, Any]:
    return _common(_EVIDENCE, version, evidence) | {"precision": evidence.precision}


def _of_comparison(version: ModelVersion, comparison: Comparison, other: ModelVersion) -> dict[str, Any]:
    against = {"against": other.number, "against_manifest": other.manifest_digest or ""}
    return _common(_COMPARISON, version, comparison) | against


def _common(kind: str, version: ModelVersion, found: Evidence | Comparison) -> dict[str, Any]:
    return {
        statements.KIND: kind,
        "model": version.name,
        "version": version.number,
        "manifest": version.manifest_digest or "",
        "dataset": found.dataset,
        "dataset_digest": found.dataset_digest,
        "run": found.run_id,
        "at": written(found.at),
        _FIGURES: {name: repr(float(value)) for name, value in found.metrics.items()},
    }


def _signed(statement: Mapping[str, Any], figures: Mapping[str, float], signer: Signer) -> str:
    return statements.written(signer.sign(statement), **{_FIGURES: sorted(figures)})


def _stated(
    version: ModelVersion, tag: str, figures: Mapping[str, float]
) -> tuple[str, dict[str, float]] | None:
    """A signature, and the figures that it says it is over; None where there is none, or not of these figures."""
    if tag not in version.tags:
        return None
    said = statements.read(tag, version.tags[tag], version.pinned_uri)
    names = said.get(_FIGURES) if said else None
    if said is None or not isinstance(names, list) or not all(name in figures for name in map(str, names)):
        return None
    return said[statements.SIGNATURE], {str(name): figures[str(name)] for name in names}
