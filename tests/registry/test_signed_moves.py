"""A ledger that shows when it was touched: moves that are signed, and what counts where a policy wants them to be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from registry import (
    Audited,
    Event,
    EventKind,
    GateRefused,
    Gates,
    Policy,
    PolicyRefused,
    PublicKey,
    Registry,
    Signer,
    Stage,
    UserError,
    tags,
)
from registry.ledger.chain import Claimant
from registry.ledger.claims import Claim, claims_in
from registry.ledger.history import composed
from registry.trust import policy, statements

from .conftest import PackageMaker, make_three
from .test_chain import _everything, killed_before_call
from .test_promotion import standing
from .test_resolution import from_outside
from .test_signing import key_pair

Pair = tuple[Signer, PublicKey]


@pytest.fixture(autouse=True)
def _nothing_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (policy.FILE_VARIABLE, statements.KEY_VARIABLE, statements.PASSWORD_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


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
def reg(sqlite_uri: str, name: str) -> Registry:
    """A registry with a model of three versions."""
    make_three(sqlite_uri, name)
    return Registry(sqlite_uri)


@pytest.fixture
def client(sqlite_uri: str) -> MlflowClient:
    return MlflowClient(sqlite_uri)


def signatures(found: list[Audited]) -> list[str]:
    """Of what is in the ledger; what was seen outside since comes after it, without an id."""
    return [audited.signature.value for audited in found if audited.event.event_id]


def insert(client: MlflowClient, name: str, event: Event) -> None:
    client.set_registered_model_tag(name, tags.event(event.event_id), json.dumps(event.document()))


def claims(client: MlflowClient, name: str, claim: Claim) -> None:
    client.set_registered_model_tag(name, claim.key, claim.value())


def forged(after: Event | None, number: int = 3, **more: Any) -> Event:
    return composed(Event(EventKind.PROMOTED, number, Stage.PRODUCTION, who="grace", **more), after)


# --- what an audit says


def test_an_audit_says_of_each_event_who_signed_it(reg: Registry, name: str, ada: Pair, grace: Pair) -> None:
    reg.promote(name, 1, "Production", signer=ada[0])
    reg.promote(name, 2, "Production", "better", signer=grace[0])
    reg.rollback(name, "Production", "worse", signer=ada[0])
    reg.promote(name, 3, "Staging")
    found = reg.audit(name, [ada[1], grace[1]])
    assert signatures(found) == ["verifies", "verifies", "verifies", "not signed"]
    assert [audited.keys for audited in found] == [(ada[1],), (grace[1],), (ada[1],), ()]
    assert signatures(reg.audit(name, [ada[1]]))[1] == "signed by another key"
    assert all(not audited.faults for audited in found)


def test_a_refusal_and_what_was_seen_outside_are_signed_by_who_writes_them_down(
    reg: Registry, sqlite_uri: str, name: str, ada: Pair, tmp_path: Path
) -> None:
    from_outside(sqlite_uri, name, 1, "Staging")
    (tmp_path / "gates.toml").write_text("[Production]\nno_pickle = true\n")
    judge = Gates.load(tmp_path / "gates.toml").of("Production")
    with pytest.raises(GateRefused):
        reg.promote(name, 2, "Production", judge=judge, signer=ada[0])
    found = reg.audit(name, [ada[1]])
    assert [audited.event.kind for audited in found] == [EventKind.SEEN, EventKind.REFUSED]
    assert signatures(found) == ["verifies", "verifies"]


@pytest.mark.parametrize(
    "change",
    [
        {"version": 3},
        {"to_stage": "Staging"},
        {"from_stage": "Staging"},
        {"previous": None},
        {"because": "other"},
        {"who": "mallory"},
        {"at": "2026-01-01T00:00:00+00:00"},
        {"parent": ""},
        {"kind": "overridden"},
        {"more": {"gates": []}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_is_changed_in_a_signed_event_it_does_not_verify(
    reg: Registry, client: MlflowClient, name: str, ada: Pair, change: dict[str, Any]
) -> None:
    reg.promote(name, 1, "Production", signer=ada[0])
    event = reg.promote(name, 2, "Production", signer=ada[0]).event
    assert event is not None
    said = json.dumps({**json.loads(json.dumps(event.document())), **change})
    client.set_registered_model_tag(name, tags.event(event.event_id), said)
    first, second, *_ = reg.audit(name, [ada[1]])
    assert (first.signature.value, second.signature.value) == ("verifies", "does not verify")
    assert second.faults[0] == f"the signature by {ada[1].shown} does not verify"


def test_a_signature_is_of_one_model_and_one_event(
    reg: Registry, client: MlflowClient, sqlite_uri: str, name: str, ada: Pair
) -> None:
    event = reg.promote(name, 1, "Production", signer=ada[0]).event
    assert event is not None
    key = tags.event_signature(event.event_id, ada[1].fingerprint)
    signature = client.get_registered_model(name).tags[key]
    make_three(sqlite_uri, f"{name}-other")
    insert(client, f"{name}-other", event)
    client.set_registered_model_tag(f"{name}-other", key, signature)
    other = replace(event, event_id=f"{event.event_id[:-8]}ffffffff")
    insert(client, name, other)
    client.set_registered_model_tag(name, tags.event_signature(other.event_id, ada[1].fingerprint), signature)
    assert signatures(reg.audit(f"{name}-other", [ada[1]])) == ["does not verify"]
    assert sorted(signatures(reg.audit(name, [ada[1]]))) == ["does not verify", "verifies"]


def test_a_signature_by_another_key_under_this_keys_name_does_not_verify(
    reg: Registry, client: MlflowClient, name: str, ada: Pair, grace: Pair
) -> None:
    event = reg.promote(name, 1, "Production", signer=grace[0]).event
    assert event is not None
    said = client.get_registered_model(name).tags[tags.event_signature(event.event_id, grace[1].fingerprint)]
    key = tags.event_signature(event.event_id, ada[1].fingerprint)
    for text in (said, "{}", "", "[" * 5000, '{"signature": "", "manifest": ""}', '{"signature": "ü"}'):
        client.set_registered_model_tag(name, key, text)
        assert signatures(reg.audit(name, [ada[1]])) == ["does not verify"]


def test_an_event_that_was_removed_and_two_that_follow_one_are_seen(
    reg: Registry, client: MlflowClient, name: str, ada: Pair
) -> None:
    events = [reg.promote(name, number, "Production", signer=ada[0]).event for number in (1, 2, 3)]
    first, second, _ = [event for event in events if event]
    client.delete_registered_model_tag(name, tags.event(second.event_id))
    found = reg.audit(name, [ada[1]])
    assert signatures(found) == ["verifies", "verifies"]
    assert found[1].faults == (f"the move before it, {second.event_id}, is missing",)
    insert(client, name, second)
    insert(client, name, forged(first))
    faults = [
        audited.faults for audited in reg.audit(name, [ada[1]]) if audited.event.parent == first.event_id
    ]
    assert faults == [(f"2 moves follow {first.event_id}",)] * 2


def test_a_version_whose_manifest_was_changed_after_its_move_is_seen(
    sqlite_reg: Registry, package: PackageMaker, name: str, ada: Pair
) -> None:
    version = sqlite_reg.register(package(), name).version
    sqlite_reg.promote(name, 1, "Production", signer=ada[0])
    assert signatures(sqlite_reg.audit(name, [ada[1]])) == ["not signed", "verifies"]
    sqlite_reg.set_version_tags(version, {tags.MANIFEST_DIGEST: "0" * 64})
    [_, moved] = sqlite_reg.audit(name, [ada[1]])
    assert moved.signature.value == "does not verify"
    assert "which has 000000000000 now" in moved.faults[0]


def test_every_signed_event_fits_into_a_registrys_column(
    reg: Registry, client: MlflowClient, name: str, ada: Pair
) -> None:
    reg.promote(name, 1, "Production", because='"' * 2000, signer=ada[0])
    model = client.get_registered_model(name)
    assert max(map(len, model.tags.values())) <= 5000
    assert max(map(len, model.tags)) <= 250
    assert signatures(reg.audit(name, [ada[1]])) == ["verifies"]


# --- keys


def test_a_key_may_be_configured(
    reg: Registry, name: str, ada: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _ = key_pair(tmp_path / "keys", "locked", password="open")
    monkeypatch.setenv(statements.KEY_VARIABLE, str(file))
    with pytest.raises(UserError, match="STAGEWRIGHT_PRIVATE_KEY_PASSWORD"):
        reg.promote(name, 1, "Production")
    monkeypatch.setenv(statements.PASSWORD_VARIABLE, "open")
    reg.promote(name, 1, "Production")
    locked = PublicKey.read(tmp_path / "keys" / "locked.pub")
    assert signatures(reg.audit(name, [locked])) == ["verifies"]
    for named in ("", str(tmp_path / "absent.pem"), str(tmp_path / "keys" / "ada.pub")):
        monkeypatch.setenv(statements.KEY_VARIABLE, named)
        with pytest.raises(UserError):
            reg.promote(name, 2, "Production")
    assert standing(reg, name)[1] == ("Production", ("production",))


@pytest.mark.parametrize("curve", ["secp256r1", "secp384r1", "secp521r1"])
def test_openssl_checks_a_statement(tmp_path: Path, curve: str) -> None:
    """As docs/ledger.md says."""
    import base64
    import subprocess

    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    name = {"secp256r1": "prime256v1"}.get(curve, curve)
    make = ["openssl", "ecparam", "-name", name, "-genkey", "-noout", "-out", private]
    subprocess.run(make, check=True)
    subprocess.run(
        ["openssl", "ec", "-in", private, "-pubout", "-out", public], check=True, capture_output=True
    )
    statement = {"statement": "event", "model": "flowers", "because": "schön"}
    signature = Signer.read(private).sign(statement)
    (tmp_path / "statement").write_bytes(statements.canonical(statement))
    (tmp_path / "signature").write_bytes(base64.b64decode(signature))
    digest = {"secp256r1": "-sha256", "secp384r1": "-sha384", "secp521r1": "-sha512"}[curve]
    check = ["openssl", "dgst", digest, "-verify", "public.pem", "-signature", "signature", "statement"]
    subprocess.run(check, cwd=tmp_path, check=True, capture_output=True)
    assert statements.verifies(statement, signature, PublicKey.read(public))
    assert not statements.verifies(statement | {"model": "roses"}, signature, PublicKey.read(public))


# --- where a policy wants moves to be signed


@pytest.fixture(params=["the model's policy", "this machine's policy"])
def asked(
    request: pytest.FixtureRequest, reg: Registry, name: str, ada: Pair, tmp_path: Path, monkeypatch
) -> Pair:
    """Moves count that ada signed; version 1 is in Production by one of them."""
    if request.param == "the model's policy":
        reg.set_policy(name, Policy("", move_keys=(ada[1],)))
    else:
        (tmp_path / "policy.toml").write_text('move_keys = ["keys/ada.pub"]\n')
        monkeypatch.setenv(policy.FILE_VARIABLE, str(tmp_path / "policy.toml"))
    reg.promote(name, 1, "Production", signer=ada[0])
    return ada


def test_who_has_no_key_or_another_one_moves_nothing(
    reg: Registry, client: MlflowClient, sqlite_uri: str, name: str, asked: Pair, grace: Pair
) -> None:
    before = _everything(sqlite_uri, name)
    for signer, said in ((None, "no key was given"), (grace[0], f"{grace[1].shown} is none of them")):
        with pytest.raises(PolicyRefused, match=f"signed by {asked[1].shown}, says .*; {said}"):
            reg.promote(name, 2, "Production", signer=signer)
        with pytest.raises(PolicyRefused, match=said):
            reg.rollback(name, "Production", signer=signer)
    assert _everything(sqlite_uri, name) == before


def forge(client: MlflowClient, name: str, first: Event, how: str) -> Event:
    """Write a move after the first one as somebody might who may write tags."""
    false = forged(first)
    if how == "accepted claim":
        claims(client, name, Claim(first.event_id, "cafe", 7, 7, false, first.at, "there", 1))
    else:
        insert(client, name, false)
    if how == "event and claim":
        claims(client, name, Claim(first.event_id, "cafe", 0, 0, None, first.at, "there", 1))
    return false


def sign_by_another(client: MlflowClient, name: str, false: Event, other: Pair, asked: Pair) -> None:
    """A signature of another's in both places: under that key's name, and under the one that is asked for."""
    said = statements.written(other[0].sign({"statement": "event"}), manifest="")
    for _, public in (other, asked):
        client.set_registered_model_tag(name, tags.event_signature(false.event_id, public.fingerprint), said)


@pytest.mark.parametrize("how", ["event", "event and claim", "accepted claim", "signed by another"])
def test_a_forged_move_is_not_made_true_and_is_told_of(
    reg: Registry,
    client: MlflowClient,
    sqlite_uri: str,
    name: str,
    asked: Pair,
    grace: Pair,
    how: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    [first] = reg.history(name)
    false = forge(client, name, first, how)
    if how == "signed by another":
        sign_by_another(client, name, false, grace, asked)
    reg.faults(name)
    caplog.clear()
    moved = reg.promote(name, 2, "Staging", signer=asked[0]).event
    assert moved is not None
    assert moved.parent == first.event_id
    assert standing(reg, name) == {
        1: ("Production", ("production",)),
        2: ("Staging", ("staging",)),
        3: ("None", ()),
    }
    assert reg.standing(name).holder(Stage.PRODUCTION) == 1
    assert f"1 moves in the ledger of '{name}', or proposed for it, do not count" in caplog.text
    assert "version 3 to Production by 'grace'" in caplog.text
    [(fault, step)] = reg.faults(name)
    assert "do not count" in fault
    assert "history" in step
    audited = [one for one in reg.audit(name, [asked[1]]) if one.event.version == 3]
    assert [one.signature.value for one in audited] != ["verifies"]


def test_a_signed_move_that_was_cut_short_is_completed_by_another_who_may(
    reg: Registry, sqlite_uri: str, name: str, ada: Pair, grace: Pair
) -> None:
    """Before each change after the claims: the signature is there before anybody could complete the move."""
    reg.set_policy(name, Policy("", move_keys=(ada[1], grace[1])))
    reg.promote(name, 1, "Production", signer=ada[0])
    assert killed_before_call(sqlite_uri, lambda reg: reg.promote(name, 2, "Production", signer=ada[0]), 4)
    assert reg.promote(name, 2, "Production", signer=grace[0]).event is None
    assert standing(reg, name)[2] == ("Production", ("production",))
    found = reg.audit(name, [ada[1]])
    assert (signatures(found), found[-1].event.version) == (["verifies", "verifies"], 2)


def test_who_loses_takes_the_signature_away(
    reg: Registry, sqlite_uri: str, client: MlflowClient, name: str, asked: Pair, monkeypatch
) -> None:
    decide = Claimant.decide

    def second(self: Claimant, proposal: Event | None) -> Event | None:
        monkeypatch.setattr(Claimant, "decide", decide)
        Registry(sqlite_uri).promote(name, 2, "Staging", signer=asked[0])
        return decide(self, proposal)

    monkeypatch.setattr(Claimant, "decide", second)
    reg.promote(name, 3, "Production", signer=asked[0])
    model = client.get_registered_model(name)
    assert len([key for key in model.tags if key.startswith(tags.EVENT_SIGNATURE)]) == 3
    assert (signatures(reg.audit(name, [asked[1]])), claims_in(model.tags)) == (["verifies"] * 3, [])


def test_moves_from_before_a_policy_do_not_count_and_what_stands_is_taken_over(
    reg: Registry, name: str, ada: Pair
) -> None:
    reg.promote(name, 1, "Production")
    reg.set_policy(name, Policy("", move_keys=(ada[1],)))
    reg.promote(name, 2, "Staging", signer=ada[0])
    assert standing(reg, name)[1] == ("Production", ("production",))
    kinds = [audited.event.kind for audited in reg.audit(name, [ada[1]]) if audited.keys]
    assert kinds == [EventKind.SEEN, EventKind.SEEN, EventKind.PROMOTED]


def test_a_signed_move_of_other_bytes_is_not_made_true(
    sqlite_reg: Registry, package: PackageMaker, sqlite_uri: str, name: str, ada: Pair
) -> None:
    versions = [sqlite_reg.register(package(), name).version for _ in range(2)]
    sqlite_reg.set_policy(name, Policy("", move_keys=(ada[1],)))
    sqlite_reg.promote(name, 1, "Production", signer=ada[0])
    assert killed_before_call(sqlite_uri, lambda reg: reg.promote(name, 2, "Production", signer=ada[0]), 5)
    sqlite_reg.set_version_tags(versions[1], {tags.MANIFEST_DIGEST: "0" * 64})
    sqlite_reg.promote(name, 1, "Production", signer=ada[0])
    assert standing(sqlite_reg, name)[1] == ("Production", ("production",))
    assert standing(sqlite_reg, name)[2] == ("None", ())
