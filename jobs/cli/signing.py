"""The commands that sign a version, check who signed it, and approve of it for a stage."""

from pathlib import Path

import click

from registry import DeclaredStage, PublicKey, Registry, Stage

from .shared import AS_JSON, GATES, NAME, PASSWORD_ENV, answer, declared_gates, password, signer


@click.command()
@click.argument("uri")
@click.option(
    "--private-key",
    required=True,
    metavar="FILE",
    help="A key on an elliptic curve, in PEM (openssl ecparam).",
)
@PASSWORD_ENV
@AS_JSON
def sign(uri: str, private_key: str, password_env: str | None, as_json: bool) -> None:
    """Fetch and verify the version that URI means, and vouch for its bytes with a key of yours."""
    registry = Registry()
    version = registry.resolve(uri)
    signed = registry.vouch(version, Path(private_key), password(password_env))
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


@click.command()
@NAME
@click.argument("version", type=int)
@click.argument("stage")
@GATES
@click.option(
    "--private-key",
    metavar="FILE",
    help="Your key on an elliptic curve, in PEM (default: STAGEWRIGHT_PRIVATE_KEY).",
)
@PASSWORD_ENV
@AS_JSON
def approve(
    name: str,
    version: int,
    stage: str,
    gates: str | None,
    private_key: str | None,
    password_env: str | None,
    as_json: bool,
) -> None:
    """Agree with a key of yours that VERSION of NAME may stand in STAGE, once it is fetched and verified."""
    place = _approvable(stage, gates)
    key = signer(private_key, password_env)
    if key is None:
        raise click.UsageError("Give a key: --private-key FILE, or STAGEWRIGHT_PRIVATE_KEY.")
    registry = Registry()
    found = registry.resolve(f"models:/{name}/{version}")
    registry.approve(found, place, key)
    where, by = place.value, key.public.fingerprint
    said = {
        "uri": found.pinned_uri,
        "stage": where,
        "manifest_digest": found.manifest_digest,
        "fingerprint": by,
    }
    line = f"{found.pinned_uri} with the manifest {found.manifest_digest} is approved for {where} by {by}."
    answer(said, [line], as_json)


def _approvable(name: str, gates: str | None) -> Stage | DeclaredStage:
    """MLflow's two need no file to be known by. Raises InvalidStage."""
    own = next(
        (stage for stage in (Stage.STAGING, Stage.PRODUCTION) if stage.value.lower() == name.lower()), None
    )
    found = own or declared_gates(gates).stage(name)
    if found.alias is None:
        raise click.UsageError(f"There is nothing to approve of for {found.value}.")
    return found


COMMANDS = (sign, verify, approve)
