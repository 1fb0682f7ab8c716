"""Signatures: who vouches for a version's bytes, checked with keys that the reader trusts.

What is signed is one file, SHA256SUMS.sha256, the line that `sha256sum SHA256SUMS` prints in the model's
directory. SHA256SUMS has the digest of every file, so one signature covers every byte, takes about 1.5 KB and
travels as a tag of the version; it is checked before anything is downloaded. The format is a Sigstore bundle,
written and read by the library model-signing with a local key on an elliptic curve. It vouches for the bytes,
not for the name or number that a registry gives them.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from registry import tags
from registry.errors import ForeignVersion, SignatureRefused, UserError
from registry.trust.manifest import MANIFEST
from registry.trust.packaged import PackagedModel
from registry.versions import ModelVersion

CURVES = ("secp256r1", "secp384r1", "secp521r1")
FINGERPRINT_SHOWN = 12
_STATEMENT = f"{MANIFEST}.sha256"
_MAKE_KEYS = "Make a pair: `openssl ecparam -name prime256v1 -genkey -noout -out private.pem; openssl ec -in private.pem -pubout -out public.pem`."  # noqa: E501


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key on an elliptic curve, in PEM as `openssl` writes it."""

    pem: str

    @classmethod
    def parse(cls, pem: str, where: str) -> PublicKey:
        """Raises UserError, which names `where`, on anything but a public key on one of CURVES."""
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            key = load_pem_public_key(pem.encode())
        except Exception as fault:
            raise UserError(f"{where} is no public key in PEM.", _MAKE_KEYS) from fault
        if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in CURVES:
            kind = getattr(getattr(key, "curve", None), "name", type(key).__name__)
            raise UserError(f"{where} is a key on {kind!r}; there are {', '.join(CURVES)}.", _MAKE_KEYS)
        return cls(_pem(key))

    @classmethod
    def read(cls, file: Path | str) -> PublicKey:
        """A file in PEM. Raises UserError."""
        return cls.parse(_text(Path(file)), repr(str(file)))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the PEM in hex: model-signing puts the same into the bundle, as the key's hint."""
        return hashlib.sha256(self.pem.encode()).hexdigest()

    @property
    def shown(self) -> str:
        """As much of the fingerprint as people compare."""
        return self.fingerprint[:FINGERPRINT_SHOWN]


@dataclass(frozen=True, slots=True)
class Vouched:
    """Who signed, and what: a version of which every file was fetched and verified before."""

    key: PublicKey
    version: ModelVersion
    model_digest: str
    manifest_digest: str
    files: int
    pickled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key on an elliptic curve, found to be one before anything is fetched for it."""

    file: Path
    password: str | None
    public: PublicKey

    @classmethod
    def read(cls, file: Path, password: str | None = None) -> Signer:
        """Raises UserError where the key cannot be used."""
        return cls(file, password, _public_half(file, password))

    def sign(self, package: PackagedModel) -> str:
        """A signature of the manifest of files that were just verified, as the bundle's JSON."""
        with tempfile.TemporaryDirectory(prefix="stagewright-sign-") as scratch:
            bundle = Path(scratch) / "bundle.json"
            config = _library("signing").Config().use_elliptic_key_signer(
                # The library hands it to `cryptography`, which takes bytes, whatever its hint says.
                private_key=self.file, password=self.password.encode() if self.password else None
            )  # fmt: skip
            config.sign(_stated(package.manifest_digest, Path(scratch)), bundle)
            return json.dumps(json.loads(bundle.read_text()), separators=(",", ":"))


def verify(version: ModelVersion, trusted: Sequence[PublicKey]) -> PublicKey:
    """The first of the trusted keys that signed a version; every signature by one of them must be right.

    Reads tags only. Raises SignatureRefused, ForeignVersion where the version has no manifest.
    """
    signed = [key for key in trusted if tags.signature(key.fingerprint) in version.tags]
    if not signed:
        there = [fingerprint[:FINGERPRINT_SHOWN] for fingerprint in tags.signers(version.tags)]
        wanted = ", ".join(key.shown for key in trusted) or "none"
        raise SignatureRefused(
            f"{version.pinned_uri} has no signature by a trusted key ({wanted}); "
            f"it has signatures by {', '.join(there) or 'nobody'}.",
            f"Have its owner run `stagewright sign {version.pinned_uri} --private-key FILE`.",
        )
    for key in signed:
        _verify(version, key)
    return signed[0]


def _verify(version: ModelVersion, key: PublicKey) -> None:
    if version.manifest_digest is None:
        raise ForeignVersion(
            f"{version.pinned_uri} was not packaged by stagewright: it has no manifest to sign.",
            "Package and register the model with `stagewright register`.",
        )
    bundle = version.tags[tags.signature(key.fingerprint)]
    library = _library("verifying")
    with tempfile.TemporaryDirectory(prefix="stagewright-verify-") as scratch:
        folder = Path(scratch)
        stated = _stated(version.manifest_digest, folder)
        (folder / "public.pem").write_text(key.pem)
        (folder / "bundle.json").write_text(bundle)
        try:
            _check_hint(bundle, key)
            config = library.Config().use_elliptic_key_verifier(public_key=folder / "public.pem")
            config.verify(stated, folder / "bundle.json")
        except Exception as fault:  # whatever a forged bundle makes a parser raise, it is no signature
            raise SignatureRefused(
                f"The signature of {version.pinned_uri} by {key.shown} is not one of this version: "
                f"its tag or the digest of its {MANIFEST} was changed after signing.",
                f"Use another version, and find out who changed it: `stagewright history {version.name}`.",
            ) from fault


def _check_hint(bundle: str, key: PublicKey) -> None:
    """The library prints a warning on stdout for a bundle without the key's hint; ours always have it."""
    if json.loads(bundle)["verificationMaterial"]["publicKey"]["hint"] != key.fingerprint:
        raise ValueError("signed by another key")


def _stated(manifest_digest: str, scratch: Path) -> Path:
    """A folder with the one file that is signed."""
    folder = scratch / "model"
    folder.mkdir()
    (folder / _STATEMENT).write_text(f"{manifest_digest}  {MANIFEST}\n")
    return folder


def _public_half(file: Path, password: str | None) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_text(file).encode(), password.encode() if password else None)
    except UserError:
        raise
    except TypeError as fault:  # a password that is missing, or not needed
        raise UserError(
            f"{str(file)!r}: {fault}.", "Name its variable with `--password-env NAME`."
        ) from fault
    except Exception as fault:
        raise UserError(
            f"{str(file)!r} is no private key in PEM, or the password is wrong.", _MAKE_KEYS
        ) from fault
    if not isinstance(key, EllipticCurvePrivateKey):
        raise UserError(f"{str(file)!r} is no key on an elliptic curve.", _MAKE_KEYS)
    return PublicKey.parse(_pem(key.public_key()), repr(str(file)))


def _pem(key: object) -> str:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    assert isinstance(key, EllipticCurvePublicKey)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise UserError(f"The key {str(file)!r} cannot be read: {fault}.") from None


def _library(module: str) -> ModuleType:
    """model_signing.signing or .verifying: an extra, for it brings 16 packages that only signers need."""
    import importlib

    try:
        return importlib.import_module(f"model_signing.{module}")
    except ImportError as fault:
        raise UserError(
            f"Signatures need the library model-signing: {fault}.", "pip install 'stagewright[signing]'"
        ) from fault
