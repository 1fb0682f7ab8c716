"""Small statements that a key vouches for: this happened so, this figure was found, this version may stand there.

A statement is a JSON object in one canonical form: keys in order, no blanks, ASCII alone. What says `statement`
tells one kind from another, so that no signature of one can be shown as that of another. The signature is ECDSA in
DER, in base64, with the hash that belongs to the curve; `openssl dgst -verify` checks it.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from registry import tag_values
from registry.errors import UserError
from registry.tag_values import Malformed
from registry.trust.signing import PublicKey

KEY_VARIABLE = "STAGEWRIGHT_PRIVATE_KEY"
PASSWORD_VARIABLE = "STAGEWRIGHT_PRIVATE_KEY_PASSWORD"
KIND = "statement"
SIGNATURE = "signature"
_HASHES = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key on an elliptic curve, and its public half."""

    public: PublicKey
    _private: Any = field(repr=False, compare=False)

    @classmethod
    def read(cls, file: Path | str, password: str | None = None) -> Self:
        """A file in PEM, as `stagewright sign` takes it. Raises UserError."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

        try:
            key = load_pem_private_key(Path(file).read_bytes(), password.encode() if password else None)
            public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        except OSError as fault:
            raise UserError(f"The key {str(file)!r} cannot be read: {fault.strerror}.") from None
        except TypeError as fault:  # a password that is missing, or not needed
            raise UserError(
                f"{str(file)!r}: {fault}.", f"Name it with `--password-env NAME`, or set {PASSWORD_VARIABLE}."
            ) from None
        except Exception:
            raise UserError(f"{str(file)!r} is no private key in PEM, or the password is wrong.") from None
        return cls(PublicKey.parse(public.decode(), repr(str(file))), key)

    @classmethod
    def configured(cls) -> Self | None:
        """The key that STAGEWRIGHT_PRIVATE_KEY names; None where it is not set. Raises UserError."""
        file = os.environ.get(KEY_VARIABLE)
        if file is None:
            return None
        if not file:
            raise UserError(f"{KEY_VARIABLE} is empty.", "Name a file with a private key, or unset it.")
        return cls.read(file, os.environ.get(PASSWORD_VARIABLE))

    def sign(self, statement: Mapping[str, Any]) -> str:
        """The signature of a statement."""
        signature = self._private.sign(canonical(statement), _algorithm(self._private.curve.name))
        return base64.b64encode(signature).decode()


def canonical(statement: Mapping[str, Any]) -> bytes:
    """What is signed."""
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def verifies(statement: Mapping[str, Any], signature: str, key: PublicKey) -> bool:
    """Whether it is this key's signature of this statement; no signature makes it raise."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    public = load_pem_public_key(key.pem.encode())
    assert isinstance(public, EllipticCurvePublicKey)
    try:
        raw = base64.b64decode(signature, validate=True)
        public.verify(raw, canonical(statement), _algorithm(public.curve.name))
    except (InvalidSignature, ValueError):
        return False
    return True


def written(signature: str, **more: Any) -> str:
    """A signature as a tag keeps it, with what its statement says that no other tag does."""
    return json.dumps({SIGNATURE: signature, **more}, sort_keys=True, separators=(",", ":"))


def read(key: str, value: str, whose: str = "") -> dict[str, Any] | None:
    """What `written` wrote; None, with a line that names the tag, on anything else."""
    try:
        said = tag_values.document(value)
        tag_values.text_of(said, SIGNATURE)
    except Malformed as why:
        tag_values.skipped(key, why, whose)
        return None
    return said


def _algorithm(curve: str) -> Any:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

    return ECDSA(getattr(hashes, _HASHES[curve])())
