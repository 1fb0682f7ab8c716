"""Figures and approvals that a gate takes only with signatures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry import (
    Comparison,
    Evidence,
    ForeignVersion,
    Gates,
    ModelVersion,
    PublicKey,
    Registry,
    Signer,
    UserError,
    Verdict,
    tags,
)
from registry.gates.signed_figures import comparison_tags, evidence_tags
from registry.trust.approvals import approval
from registry.versions import Stage

from .conftest import PackageMaker
from .test_artifacts import stored
from .test_signing import flip, key_pair

Pair = tuple[Signer, PublicKey]
NOW = datetime.now(UTC)
FIGURES = Evidence("shop", "ab12" * 16, "f32", "f" * 32, NOW, {"top1": 0.9, "ece": float("nan")})
BESIDE = Comparison(1, "shop", "ab12" * 16, "f" * 32, NOW, {"agreement": 0.99})
SIGNED = """
[Production]
signed_evidence = true
public_keys = ["keys/ada.pub"]
"""
METRIC = '[[Production.metrics]]\nmetric = "top1"\ndataset = "shop"\nthreshold = 0.8\n'
FRESH = '[[Production.evidence]]\ndataset = "shop"\nmax_age_days = 1\n'
CHANGE = '[[Production.metrics]]\nmetric = "top1"\ndataset = "shop"\nmax_drop = 0.01\n'
COMPARED = '[[Production.comparisons]]\ndataset = "shop"\nmin_agreement = 0.9\n'


def pair(folder: Path, name: str) -> Pair:
    file, public = key_pair(folder, name)
    return Signer.read(file), public


@pytest.fixture
def ada(tmp_path: Path) -> Pair:
    return pair(tmp_path / "keys", "ada")


@pytest.fixture
def grace(tmp_path: Path) -> Pair:
    return pair(tmp_path / "keys", "grace")


@pytest.fixture
def declared(tmp_path: Path) -> Callable[[str], Gates]:
    def write(text: str) -> Gates:
        (tmp_path / "gates.toml").write_text(text)
        return Gates.load(tmp_path / "gates.toml")

    return write


def version(number: int, said: dict[str, str] | None = None, manifest: str = "0" * 64) -> ModelVersion:
    kept = {tags.MANIFEST_DIGEST: manifest, **(said or {})}
    return ModelVersion("flowers", number, Stage.NONE, "READY", NOW, NOW, "s3://there", tags=kept)


def evaluated(number: int, key: Pair | None, found: Evidence = FIGURES) -> ModelVersion:
    return having(
        version(number), found.as_tags(), evidence_tags(version(number), found, key[0]) if key else {}
    )


def compared(key: Pair | None) -> ModelVersion:
    signature = comparison_tags(version(2), BESIDE, version(1), key[0]) if key else {}
    return having(version(2), BESIDE.as_tags(), signature)


def having(found: ModelVersion, *more: dict[str, str]) -> ModelVersion:
    said = dict(found.tags)
    for some in more:
        said |= some
    return replace(found, tags=said)


def judged(gates: Gates, candidate: ModelVersion, current: ModelVersion | None = None) -> Verdict:
    [verdict] = gates.of("Production").judge(candidate, current)
    return verdict


# --- figures


@pytest.mark.parametrize("asked", [METRIC, FRESH])
def test_only_figures_that_a_trusted_key_signed_count(declared, ada: Pair, grace: Pair, asked: str) -> None:
    gates = declared(SIGNED + asked)
    assert judged(gates, evaluated(2, ada)).passed
    for candidate in (evaluated(2, None), evaluated(2, grace)):
        verdict = judged(gates, candidate)
        assert (verdict.passed, verdict.found) == (False, "not signed by these keys")
        assert verdict.next_step.endswith("--dataset shop --private-key FILE")
        assert judged(declared(asked), candidate).passed
        gates = declared(SIGNED + asked)
    assert judged(gates, version(2)).found == "not evaluated"
    assert ", signed" in verdict.wanted


def test_a_change_asks_for_signed_figures_of_both_versions(declared, ada: Pair) -> None:
    gates = declared(SIGNED + CHANGE)
    assert judged(gates, evaluated(2, ada), evaluated(1, ada)).passed
    assert judged(gates, evaluated(2, ada), evaluated(1, None)).found == "version 1: not signed by these keys"


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("top1", "0.99"),
        (tags.EVIDENCE_DIGEST, "cd34" * 16),
        (tags.EVIDENCE_RUN, "e" * 32),
        (tags.EVIDENCE_AT, "2026-01-01T00:00:00+00:00"),
    ],
)
def test_whatever_is_changed_in_signed_figures_they_do_not_count(
    declared, ada: Pair, what: str, text: str
) -> None:
    touched = having(evaluated(2, ada), {tags.evidence("shop", "f32", what): text})
    assert judged(declared(SIGNED + METRIC), touched).found == "not signed by these keys"


def test_signed_figures_are_of_one_version_and_its_bytes_and_no_more_than_was_signed(
    declared, ada: Pair
) -> None:
    gates = declared(SIGNED + METRIC.replace("top1", "top5"))
    touched = having(evaluated(2, ada), {tags.evidence("shop", "f32", "top5"): "1.0"})
    assert judged(gates, touched).found == "no top5; there are ece, top1"
    gates = declared(SIGNED + METRIC)
    carried = evidence_tags(version(1), FIGURES, ada[0])
    other_bytes = evidence_tags(version(2, manifest="1" * 64), FIGURES, ada[0])
    for signature in (carried, other_bytes):
        candidate = having(version(2), FIGURES.as_tags(), signature)
        assert judged(gates, candidate).found == "not signed by these keys"
    other_precision = replace(FIGURES, precision="bf16")
    moved = {
        tags.evidence_signature("shop", "f32", ada[1].fingerprint): text
        for text in evidence_tags(version(2), other_precision, ada[0]).values()
    }
    assert not judged(gates, having(version(2), FIGURES.as_tags(), moved)).passed


def test_figures_that_an_earlier_evaluation_left_do_not_spoil_a_signature(declared, ada: Pair) -> None:
    left = {tags.evidence("shop", "f32", "rate_truncated"): "0.5"}
    assert judged(declared(SIGNED + METRIC), having(evaluated(2, ada), left)).passed


def test_a_comparison_is_signed_for_both_versions_bytes(declared, ada: Pair, grace: Pair) -> None:
    gates = declared(SIGNED + COMPARED)
    assert judged(gates, compared(ada), version(1)).passed
    for candidate, current in (
        (compared(None), version(1)),
        (compared(grace), version(1)),
        (compared(ada), version(1, manifest="1" * 64)),
        (having(compared(ada), {tags.comparison(1, "shop", "agreement"): "1.0"}), version(1)),
    ):
        verdict = judged(gates, candidate, current)
        assert (verdict.passed, verdict.found) == (False, "not signed by these keys")
    assert judged(gates, version(2), version(1)).next_step.endswith("--private-key FILE")


# --- approvals

TWO = '[Production]\nsignatures = 2\npublic_keys = ["keys/ada.pub", "keys/grace.pub"]\n'


def test_a_stage_may_ask_for_two_people(declared, ada: Pair, grace: Pair) -> None:
    gates = declared(TWO)
    mine = approval(version(2), Stage.PRODUCTION, ada[0])
    theirs = approval(version(2), Stage.PRODUCTION, grace[0])
    assert judged(gates, having(version(2), mine, theirs)).passed
    for candidate, found in ((version(2), "none"), (having(version(2), mine), f"1: {ada[1].shown}")):
        verdict = judged(gates, candidate)
        assert (verdict.passed, verdict.found) == (False, found)
        assert verdict.next_step == "stagewright approve flowers 2 Production --private-key FILE"
    assert verdict.wanted == f"approved by 2 of {ada[1].shown}, {grace[1].shown}"


def test_an_approval_cannot_be_carried_to_another_key_stage_version_or_model(
    declared, ada: Pair, grace: Pair
) -> None:
    gates = declared(TWO)
    mine = approval(version(2), Stage.PRODUCTION, ada[0])
    [text] = mine.values()
    key = tags.approval("Production", grace[1].fingerprint)
    elsewhere = [
        {key: text},
        {key: next(iter(approval(version(2), Stage.STAGING, grace[0]).values()))},
        approval(version(1), Stage.PRODUCTION, grace[0]),
        approval(replace(version(2), name="roses"), Stage.PRODUCTION, grace[0]),
        approval(version(2, manifest="1" * 64), Stage.PRODUCTION, grace[0]),
        {key: text.replace('"who":"', '"who":"not ')},
        {key: "[" * 5000},
    ]
    for carried in elsewhere:
        assert judged(gates, having(version(2), mine, carried)).found == f"1: {ada[1].shown}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("signatures = 2", "'signatures' needs public_keys"),
        ("signatures = 2\npublic_keys = ['keys/ada.pub', 'keys/ada.pub']", "has 1 different keys"),
        ("signatures = 1.5\npublic_keys = ['keys/ada.pub']", "is no whole number: 1.5"),
        ("signatures = 0\npublic_keys = ['keys/ada.pub']", "is not between 1 and 20"),
        ("signed_evidence = true", "'signed_evidence' needs public_keys"),
        (
            "public_keys = ['keys/ada.pub']",
            "is of use only with signed = true, signed_evidence = true or sig",
        ),
    ],
)
def test_gates_that_ask_for_signatures_by_nobody_are_a_mistake(declared, ada: Pair, text, said) -> None:
    with pytest.raises(UserError, match=said):
        declared(f"[Production]\n{text}\n")


def test_an_approval_is_of_bytes_that_were_fetched_and_verified(
    sqlite_reg: Registry, package: PackageMaker, name: str, declared, ada: Pair, grace: Pair
) -> None:
    made = sqlite_reg.register(package(), name).version
    for key in (ada, grace):
        sqlite_reg.approve(made, "Production", key[0])
    judge = declared(TWO).of("Production")
    moved = sqlite_reg.promote(name, 1, "Production", judge=judge)
    assert [verdict.found for verdict in moved.verdicts] == [f"2: {ada[1].shown}, {grace[1].shown}"]
    flip(stored(made) / "artifacts" / "model" / "model.bin", 5)
    with pytest.raises(Exception, match=r"model\.bin"):
        sqlite_reg.approve(made, "Staging", ada[0])
    assert tags.approval("Staging", ada[1].fingerprint) not in sqlite_reg.resolve(made.pinned_uri).tags
    with pytest.raises(ForeignVersion):
        sqlite_reg.approve(replace(made, tags={}), "Staging", ada[0])


def test_every_signature_fits_into_a_registrys_column(ada: Pair) -> None:
    many = replace(
        FIGURES, dataset="d" * 64, metrics={f"rate_{'x' * 20}_{place}": 0.1 for place in range(60)}
    )
    for key, text in (
        evidence_tags(version(2), many, ada[0]) | approval(version(2), Stage.STAGING, ada[0])
    ).items():
        assert len(key) <= 250
        assert len(text) <= 5000
