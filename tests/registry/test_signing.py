"""Who vouches for a version, and that no byte of it can be changed behind their back."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from registry import (
    ArtifactMismatch,
    ForeignVersion,
    Gates,
    ModelVersion,
    PublicKey,
    Registry,
    SignatureRefused,
    UserError,
    tags,
)
from registry.trust import signing
from registry.trust.packaged import PackagedModel

from .conftest import PackageMaker, describe, sha256, write_description
from .test_artifacts import stored


def key_pair(folder: Path, name: str, password: str = "") -> tuple[Path, PublicKey]:
    folder.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    protection = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    file = folder / f"{name}.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))
    (folder / f"{name}.pub").write_text(signing._pem(key.public_key()))
    return file, PublicKey.read(folder / f"{name}.pub")


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, PublicKey]:
    return key_pair(tmp_path / "keys", "release")


@pytest.fixture
def other(tmp_path: Path) -> tuple[Path, PublicKey]:
    return key_pair(tmp_path / "keys", "other")


def test_a_signed_version_is_as_its_signer_signed_it(
    reg: Registry, package: PackageMaker, name: str, release: tuple[Path, PublicKey]
) -> None:
    reg.register(package(), name)
    assert reg.sign(reg.resolve(f"models:/{name}/1"), release[0]) == release[1]
    version = reg.resolve(f"models:/{name}/1")
    assert tags.signers(version.tags) == [release[1].fingerprint]
    assert reg.verify(version, [release[1]]) == release[1]
    assert len(version.tags[tags.signature(release[1].fingerprint)]) < 2500


def test_a_version_that_nobody_trusted_signed_is_refused_and_says_who_did(
    sqlite_reg: Registry, package: PackageMaker, name: str, release: tuple[Path, PublicKey], other
) -> None:
    made = sqlite_reg.register(package(), name).version
    with pytest.raises(SignatureRefused, match=f"{release[1].shown}.*signatures by nobody.*stagewright sign"):
        sqlite_reg.verify(made, [release[1]])
    sqlite_reg.sign(made, other[0])
    version = sqlite_reg.resolve(made.pinned_uri)
    with pytest.raises(SignatureRefused, match=f"signatures by {other[1].shown}"):
        sqlite_reg.verify(version, [release[1]])
    assert sqlite_reg.verify(version, [release[1], other[1]]) == other[1]


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_a_flipped_byte_in_any_file_is_refused_by_the_files_name(
    sqlite_reg: Registry, package: PackageMaker, name: str, release: tuple[Path, PublicKey], tmp_path: Path
) -> None:
    version = signed(sqlite_reg, package(), name, release[0])
    place = stored(version)
    files = [path for path in sorted(place.rglob("*")) if path.is_file()]
    assert {"MLmodel", "SHA256SUMS", "model.bin", "stagewright.json"} <= {path.name for path in files}
    for path in files:
        at = path.stat().st_size // 2
        flip(path, at)
        with pytest.raises(ArtifactMismatch, match=f"'{path.relative_to(place).as_posix()}'"):
            sqlite_reg.verify(version, [release[1]])
        flip(path, at)
    assert sqlite_reg.verify(version, [release[1]]) == release[1]


def test_an_added_a_missing_and_a_linked_file_are_refused_by_name(
    sqlite_reg: Registry, package: PackageMaker, name: str, release: tuple[Path, PublicKey], tmp_path: Path
) -> None:
    version = signed(sqlite_reg, package(), name, release[0])
    place = stored(version)
    (place / "more.py").write_text("import os")
    with pytest.raises(ArtifactMismatch, match=r"'more\.py' was added"):
        sqlite_reg.verify(version, [release[1]])
    (place / "more.py").unlink()
    shutil.move(place / "artifacts" / "model" / "model.bin", tmp_path / "model.bin")
    with pytest.raises(ArtifactMismatch, match=r"'artifacts/model/model\.bin' is missing"):
        sqlite_reg.verify(version, [release[1]])
    shutil.move(tmp_path / "model.bin", place / "artifacts" / "model" / "model.bin")
    copy = sqlite_reg.fetch(version, tmp_path / "into")
    shutil.move(copy / "MLmodel", tmp_path / "MLmodel")
    (copy / "MLmodel").symlink_to(tmp_path / "MLmodel")
    with pytest.raises(ArtifactMismatch, match="'MLmodel'"):
        sqlite_reg.fetch(version, tmp_path / "into")


def test_who_can_write_artifacts_and_tags_still_cannot_forge_a_version(
    sqlite_reg: Registry, package: PackageMaker, name: str, release: tuple[Path, PublicKey], tmp_path: Path
) -> None:
    version = signed(sqlite_reg, package(), name, release[0])
    (stored(version) / "artifacts" / "model" / "model.bin").write_bytes(b"forged")
    write_description(stored(version), describe(stored(version)))
    sqlite_reg.set_version_tags(version, PackagedModel.read(stored(version)).as_tags())
    now = sqlite_reg.resolve(version.pinned_uri)
    sqlite_reg.fetch(now, tmp_path / "into")  # by itself it is consistent
    with pytest.raises(SignatureRefused, match=r"its tag or the digest of its SHA256SUMS was changed"):
        sqlite_reg.verify(now, [release[1]])


def test_a_changed_signature_is_none(
    sqlite_reg: Registry, package: PackageMaker, name: str, release: tuple[Path, PublicKey], other
) -> None:
    """Each byte of the bundle that means anything, three of each of its texts and what no parser likes."""
    version = signed(sqlite_reg, package(), name, release[0])
    key = tags.signature(release[1].fingerprint)
    bundle = version.tags[key]
    envelope = json.loads(bundle)["dsseEnvelope"]
    meaningful = [envelope["payload"], envelope["signatures"][0]["sig"], release[1].fingerprint]
    places = [bundle.index(text) + offset for text in meaningful for offset in (4, 31, 60)]
    for place in places:
        changed = bundle[:place] + ("A" if bundle[place] != "A" else "B") + bundle[place + 1 :]
        with pytest.raises(SignatureRefused, match="not one of this version"):
            signing.verify(with_tag(version, key, changed), [release[1]])
    for nonsense in ("", "{}", "[]", "null", bundle[:-1], "\x00"):
        with pytest.raises(SignatureRefused, match="not one of this version"):
            signing.verify(with_tag(version, key, nonsense), [release[1]])


def test_a_signature_of_another_version_or_by_another_key_under_this_keys_name_is_refused(
    sqlite_reg: Registry, package: PackageMaker, name: str, release: tuple[Path, PublicKey], other
) -> None:
    first = signed(sqlite_reg, package(), name, release[0])
    second = signed(sqlite_reg, package(), name, other[0])
    key = tags.signature(release[1].fingerprint)
    for bundle in (first.tags[key], second.tags[tags.signature(other[1].fingerprint)]):
        with pytest.raises(SignatureRefused):
            signing.verify(with_tag(second, key, bundle), [release[1]])


def test_one_wrong_signature_by_a_trusted_key_is_enough_to_refuse(
    sqlite_reg: Registry, package: PackageMaker, name: str, release: tuple[Path, PublicKey], other
) -> None:
    version = signed(sqlite_reg, package(), name, release[0])
    broken = with_tag(version, tags.signature(other[1].fingerprint), "{}")
    with pytest.raises(SignatureRefused, match=other[1].shown):
        signing.verify(broken, [release[1], other[1]])


def test_what_is_signed_is_what_was_fetched_in_that_call_and_is_told(
    sqlite_reg: Registry, package: PackageMaker, name: str, release: tuple[Path, PublicKey]
) -> None:
    directory = package(pickled=["transform"])
    version = sqlite_reg.register(directory, name).version
    signed = sqlite_reg.vouch(version, release[0])
    assert (signed.key, signed.version) == (release[1], version)
    assert signed.model_digest == version.model_digest
    assert signed.manifest_digest == sha256(directory / "SHA256SUMS")
    assert (signed.files, signed.pickled) == (
        sum(1 for _ in (directory / "SHA256SUMS").open()),
        ("transform",),
    )


def test_a_planted_version_under_an_honest_digest_is_not_signed(
    sqlite_reg: Registry, package: PackageMaker, name: str, release: tuple[Path, PublicKey]
) -> None:
    version = sqlite_reg.register(package(), name).version
    place = stored(version)
    (place / "artifacts" / "model" / "model.bin").write_bytes(b"planted")
    write_description(place, describe(place) | {"model_digest": version.model_digest})
    sqlite_reg.set_version_tags(version, {tags.MANIFEST_DIGEST: sha256(place / "SHA256SUMS")})
    with pytest.raises(ArtifactMismatch, match=r"claims that the model digest is .*computed"):
        sqlite_reg.sign(sqlite_reg.resolve(version.pinned_uri), release[0])
    assert tags.signers(sqlite_reg.resolve(version.pinned_uri).tags) == []


def test_nothing_is_signed_that_does_not_verify(
    sqlite_reg: Registry, package: PackageMaker, name: str, release: tuple[Path, PublicKey]
) -> None:
    version = sqlite_reg.register(package(), name).version
    flip(stored(version) / "artifacts" / "model" / "model.bin", 5)
    with pytest.raises(ArtifactMismatch):
        sqlite_reg.sign(version, release[0])
    assert tags.signers(sqlite_reg.resolve(version.pinned_uri).tags) == []


def test_a_version_without_a_manifest_can_be_neither_signed_nor_verified(
    sqlite_reg: Registry, package: PackageMaker, name: str, release: tuple[Path, PublicKey]
) -> None:
    version = replace(sqlite_reg.register(package(), name).version, tags={})
    with pytest.raises(ForeignVersion):
        sqlite_reg.sign(version, release[0])
    with pytest.raises(ForeignVersion):
        signing.verify(with_tag(version, tags.signature(release[1].fingerprint), "{}"), [release[1]])


# --- keys


def test_keys_that_openssl_makes_are_taken(
    sqlite_reg: Registry, package: PackageMaker, name: str, tmp_path: Path
) -> None:
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    make = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(private)]
    subprocess.run(make, check=True)
    subprocess.run(
        ["openssl", "ec", "-in", private, "-pubout", "-out", public], check=True, capture_output=True
    )
    version = signed(sqlite_reg, package(), name, private)
    assert signing.verify(version, [PublicKey.read(public)]) == PublicKey.read(public)


def test_a_key_with_a_password_takes_it(
    sqlite_reg: Registry, package: PackageMaker, name: str, tmp_path: Path
) -> None:
    private, public = key_pair(tmp_path / "keys", "locked", password="secret")
    version = sqlite_reg.register(package(), name).version
    with pytest.raises(UserError, match="--password-env"):
        sqlite_reg.sign(version, private)
    with pytest.raises(UserError, match="password is wrong"):
        sqlite_reg.sign(version, private, "guess")
    assert sqlite_reg.sign(version, private, "secret") == public


def test_what_is_no_key_is_told_by_its_files_name(tmp_path: Path, release: tuple[Path, PublicKey]) -> None:
    text = tmp_path / "text.pem"
    text.write_text("not a key")
    curve = tmp_path / "curve.pem"
    curve.write_text(signing._pem(ec.generate_private_key(ec.SECP256K1()).public_key()))
    with pytest.raises(UserError, match=r"text\.pem' is no public key"):
        PublicKey.read(text)
    with pytest.raises(UserError, match=r"release\.pem' is no public key"):
        PublicKey.read(release[0])
    with pytest.raises(UserError, match=r"curve\.pem' is a key on 'secp256k1'; there are secp256r1"):
        PublicKey.read(curve)
    with pytest.raises(UserError, match="cannot be read"):
        PublicKey.read(tmp_path / "absent.pem")


def test_an_rsa_key_cannot_sign(
    sqlite_reg: Registry, package: PackageMaker, name: str, tmp_path: Path
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = tmp_path / "rsa.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(UserError, match="no key on an elliptic curve"):
        sqlite_reg.sign(sqlite_reg.register(package(), name).version, file)


# --- gate


def test_a_gate_asks_for_a_signature_by_keys_beside_its_file(
    sqlite_reg: Registry, package: PackageMaker, name: str, tmp_path: Path, release: tuple[Path, PublicKey]
) -> None:
    file = tmp_path / "gates.toml"
    file.write_text('[Production]\nsigned = true\npublic_keys = ["keys/release.pub"]\n')
    judge = Gates.load(file).of("Production")
    unsigned = sqlite_reg.register(package(), name).version
    [verdict] = judge.judge(unsigned, None)
    assert (verdict.passed, verdict.found) == (False, "not signed by these keys")
    assert verdict.wanted == f"signed by {release[1].shown}"
    assert "stagewright sign" in verdict.next_step
    good = signed(sqlite_reg, package(), name, release[0])
    assert judge.judge(good, None)[0].passed
    broken = with_tag(good, tags.MANIFEST_DIGEST, "0" * 64)
    assert judge.judge(broken, None)[0].found == "not a signature of this version"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("signed = true", "'signed' needs public_keys"),
        ("public_keys = ['a.pub']", "'public_keys' is of use only with signed = true"),
        ("signed = true\npublic_keys = ['absent.pub']", r"absent\.pub' cannot be read"),
    ],
)
def test_a_gate_on_signatures_without_keys_is_a_mistake(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "gates.toml"
    file.write_text(f"[Production]\n{text}\n")
    with pytest.raises(UserError, match=said):
        Gates.load(file)


def signed(reg: Registry, directory: Path, name: str, private_key: Path) -> ModelVersion:
    version = reg.register(directory, name).version
    reg.sign(version, private_key)
    return reg.resolve(version.pinned_uri)


def with_tag(version: ModelVersion, key: str, value: str) -> ModelVersion:
    return replace(version, tags={**version.tags, key: value})
