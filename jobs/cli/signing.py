"""The commands that sign a version and check who signed it."""

import os
from pathlib import Path

import click

from registry import PublicKey, Registry, UserError

from .shared import AS_JSON, answer


@click.command()
@click.argument("uri")
@click.option(
    "--private-key",
    required=True,
    metavar="FILE",
    help="A key on an elliptic curve, in PEM (openssl ecparam).",
)
@click.option("--password-env", metavar="NAME", help="The environment variable with the key's password.")
@AS_JSON
def sign(uri: str, private_key: str, password_env: str | None, as_json: bool) -> None:
    """Fetch and verify the version that URI means, and vouch for its bytes with a key of yours."""
    registry = Registry()
    version = registry.resolve(uri)
    signed = registry.vouch(version, Path(private_key), _password(password_env))
    said = {
        "uri": version.pinned_uri,
        "fingerprint": signed.key.fingerprint,
        "model_digest": signed.model_digest,
        "manifest_digest": signed.manifest_digest,
        "files": signed.files,
        "pickled": list(signed.pickled),
    }
    lines = [
        f"{version.pinned_uri} is signed by {signed.key.fingerprint}.",
        f"files            {signed.files}, fetched and verified",
        f"model digest     {signed.model_digest}",
        f"manifest digest  {signed.manifest_digest}",
        f"pickled parts    {', '.join(signed.pickled) or 'none'}",
    ]
    answer(said, lines, as_json)


@click.command()
@click.argument("uri")
@click.option(
    "--public-key",
    "public_keys",
    metavar="FILE",
    multiple=True,
    required=True,
    help="A key that you trust, in PEM; repeat for more, of which one must have signed.",
)
@AS_JSON
def verify(uri: str, public_keys: tuple[str, ...], as_json: bool) -> None:
    """Check that a trusted key signed the version that URI means, and that its every file is as signed."""
    registry = Registry()
    trusted = [PublicKey.read(file) for file in public_keys]
    version = registry.resolve(uri)
    key = registry.verify(version, trusted)
    said = {"uri": version.pinned_uri, "fingerprint": key.fingerprint}
    answer(said, [f"{version.pinned_uri} is as {key.fingerprint} signed it."], as_json)


def _password(variable: str | None) -> str | None:
    if variable is None:
        return None
    if variable not in os.environ:
        raise UserError(f"There is no environment variable {variable!r}.", "Set it to the key's password.")
    return os.environ[variable]


COMMANDS = (sign, verify)
