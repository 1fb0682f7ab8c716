"""`stagewright sign`, `verify` and `policy` as a user meets them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.cli import main
from registry import Registry, tags


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with release.pem and release.pub, and with locked.pem, whose password is `open`."""
    folder = tmp_path / "keys"
    folder.mkdir()
    run("ecparam -name prime256v1 -genkey -noout -out release.pem", folder)
    run("ec -in release.pem -pubout -out release.pub", folder)
    run("ec -in release.pem -aes256 -passout pass:open -out locked.pem", folder)
    return folder


def run(arguments: str, folder: Path) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)


def test_a_version_is_signed_and_verified(fixture, keys, capsys) -> None:
    assert main(["verify", "models:/colours/2", "--public-key", str(keys / "release.pub")]) == 1
    assert "stagewright sign models:/colours/2 --private-key FILE" in capsys.readouterr().err
    assert (
        main(["sign", "models:/colours/Staging", "--private-key", str(keys / "release.pem"), "--json"]) == 0
    )
    signed = json.loads(capsys.readouterr().out)
    assert signed["uri"] == "models:/colours/2"
    assert main(["verify", "models:/colours/2", "--public-key", str(keys / "release.pub"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == signed


def test_a_keys_password_comes_from_the_environment(fixture, keys, monkeypatch, capsys) -> None:
    command = ["sign", "models:/colours/1", "--private-key", str(keys / "locked.pem")]
    assert main(command) == 2
    assert main([*command, "--password-env", "KEY_PASSWORD"]) == 2
    assert "no environment variable 'KEY_PASSWORD'" in capsys.readouterr().err
    monkeypatch.setenv("KEY_PASSWORD", "open")
    assert main([*command, "--password-env", "KEY_PASSWORD"]) == 0


def test_the_signature_is_one_that_model_signing_itself_takes(fixture, keys, tmp_path) -> None:
    """As docs/policy.md says."""
    assert main(["sign", "models:/colours/1", "--private-key", str(keys / "release.pem")]) == 0
    registry = Registry()
    version = registry.resolve("models:/colours/1")
    model = registry.fetch(version, tmp_path / "into")
    there = tmp_path / "there"
    there.mkdir()
    with (there / "SHA256SUMS.sha256").open("w") as stated:
        subprocess.run(["sha256sum", "SHA256SUMS"], cwd=model, stdout=stated, check=True)
    bundle = tmp_path / "bundle.json"
    bundle.write_text(version.tags[tags.signature(tags.signers(version.tags)[0])])
    key = ["--public_key", str(keys / "release.pub")]
    command = [sys.executable, "-m", "model_signing", "verify", "key", there, "--signature", bundle, *key]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
