"""`stagewright sign`, `verify` and `policy` as a user meets them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from jobs import ScoreOptions, Sink, Source, doctor, read, score
from jobs.cli import main
from jobs.errors import InputError
from jobs.registering import Architecture
from jobs.scoring import batch
from jobs.spark.local_copies import local_copy
from registry import ArtifactMismatch, Policy, PolicyRefused, Registry, Use, tags


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
    assert (len(signed["model_digest"]), len(signed["manifest_digest"]), signed["pickled"]) == (64, 64, [])
    assert signed["files"] > 20
    assert main(["verify", "models:/colours/2", "--public-key", str(keys / "release.pub"), "--json"]) == 0
    verified = json.loads(capsys.readouterr().out)
    assert verified == {key: signed[key] for key in ("uri", "fingerprint")}


def test_signing_shows_what_is_signed(fixture, keys, capsys) -> None:
    assert main(["sign", "models:/colours/1", "--private-key", str(keys / "release.pem")]) == 0
    version = Registry().resolve("models:/colours/1")
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("models:/colours/1 is signed by ")
    assert said[2:] == [
        f"model digest     {version.model_digest}",
        f"manifest digest  {version.manifest_digest}",
        "pickled parts    none",
    ]


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


def test_a_policy_is_shown_and_set_and_cleared(fixture, keys, capsys) -> None:
    assert main(["policy", "colours"]) == 0
    assert capsys.readouterr().out.splitlines() == ["The policy of 'colours':", "refuses nothing"]
    signature = ["--require-signature", "--public-key", str(keys / "release.pub")]
    assert main(["policy", "colours", "--refuse", "pickled", *signature, "--only-stage", "Production"]) == 0
    capsys.readouterr()
    assert main(["policy", "colours", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["refuse"], said["require_signature"], said["only_stage"]) == (
        ["pickled"],
        True,
        "Production",
    )
    assert len(said["public_keys"][0]) == 64
    assert main(["policy", "colours", "--only-stage", "staging"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["lets jobs use Staging only"]
    assert main(["policy", "colours", "--clear"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["refuses nothing"]


@pytest.mark.parametrize(
    "options",
    [
        ["--require-signature"],
        ["--public-key", "release.pub"],
        ["--refuse", "everything"],
        ["--only-stage", "None"],
        ["--clear", "--refuse", "pickled"],
        ["--require-signature", "--public-key", "absent.pub"],
    ],
)
def test_a_policy_that_makes_no_sense_is_wrong_usage(fixture, keys, options, monkeypatch) -> None:
    monkeypatch.chdir(keys)
    assert main(["policy", "colours", *options]) == 2
    assert Registry().policy("colours").document() == {}


def test_a_job_is_refused_before_anything_is_fetched_and_leaves_no_run(
    fixture, spark, tmp_path, monkeypatch, capsys
) -> None:
    assert main(["policy", "colours", "--only-stage", "Production"]) == 0
    version = Registry().resolve("models:/colours/2")
    job = batch.ScoreJob("models:/colours/2", Source(str(fixture.photos)), Sink(str(tmp_path / "out")))
    with pytest.raises(PolicyRefused, match="not in Production, which has version 1 now"):
        batch.run(spark, Registry(), job, print)
    assert Registry().jobs_of(version) == []
    images = read(spark, Source(str(fixture.photos)))
    with pytest.raises(PolicyRefused, match="not in Production"):
        score(images, version)
    score(images, "models:/colours/1")
    score(images, version, options=ScoreOptions(use=Use.EVALUATION))


def test_a_digest_that_was_changed_since_the_last_job_of_this_process_is_refused(fixture) -> None:
    registry = Registry()
    version = registry.resolve("models:/colours/1")
    local_copy(registry, version)
    registry.set_version_tags(version, {tags.MODEL_DIGEST: "0" * 64})
    with pytest.raises(ArtifactMismatch, match="model_digest' claims"):
        local_copy(registry, registry.resolve("models:/colours/1"))


def test_the_command_refuses_with_one_line_and_exit_code_1(fixture, tmp_path, capsys) -> None:
    assert main(["policy", "colours", "--only-stage", "Staging"]) == 0
    command = [
        "score",
        "models:/colours/1",
        "--input",
        str(fixture.photos),
        "--output",
        str(tmp_path / "out"),
    ]
    capsys.readouterr()
    assert main(command) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "models:/colours/1 is not in Staging, which has version 2 now" in said.err
    assert "stagewright promote colours 1 Staging" in said.err


def test_doctor_says_which_policies_are_in_force(fixture, tmp_path, monkeypatch) -> None:
    file = tmp_path / "policy.toml"
    monkeypatch.setenv("STAGEWRIGHT_POLICY", str(file))
    assert not doctor._policy().good
    file.write_text("")
    assert "is empty" in doctor._policy().line()
    file.write_text('refuse = ["pickled"]\nonly_stage = "Production"')
    assert doctor._policy().found == f"{file} refuses pickled parts, lets jobs use Production only"
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STAGEWRIGHT_POLICY")
    assert doctor._policy().found.startswith(f"{file} ")
    assert doctor._models_policies() == []
    registry = Registry()
    registry.set_policy("colours", Policy("", refuse_pickled=True))
    assert [finding.found for finding in doctor._models_policies()] == [
        "the policy of 'colours' refuses pickled parts"
    ]
    MlflowClient(fixture.uri).set_registered_model_tag("colours", "stagewright.policy", "{")
    assert [finding.good for finding in doctor._models_policies()] == [False]


@pytest.mark.parametrize(
    ("reference", "made"),
    [
        ("torchvision:squeezenet1_0", "SqueezeNet"),
        ("torchvision:ssdlite320_mobilenet_v3_large", "SSD"),  # of torchvision.models.detection
        ("torchvision:detection.ssdlite320_mobilenet_v3_large", "SSD"),
        ("timm:mobilenetv3_small_050", "MobileNetV3"),
    ],
)
def test_an_architecture_has_the_name_that_its_library_gives_it(reference, made) -> None:
    small = ("weights_backbone=None",) if "ssd" in reference else ()
    assert type(Architecture(reference, small).build()).__name__ == made


@pytest.mark.parametrize("place", ["torchvision", "timm"])
def test_an_architecture_that_its_library_does_not_know_is_refused_by_name(place) -> None:
    with pytest.raises(InputError, match=f"no 'resnet51' in '{place}'"):
        Architecture(f"{place}:resnet51").build()


def test_this_folder_replaces_nothing_that_is_installed(tmp_path, monkeypatch) -> None:
    """`json`, `torch` or `torchvision` of whoever sent the folder is not what a registration imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [entry for entry in sys.path if entry])
    Architecture("torchvision:squeezenet1_0").build()
    assert str(tmp_path) not in sys.path
    (tmp_path / "own_net.py").write_text("import torch\nclass Net(torch.nn.Module): ...\n")
    (tmp_path / "wave.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    assert type(Architecture("own_net:Net").build()).__name__ == "Net"
    assert sys.path[-1] == str(tmp_path)
    with pytest.raises(InputError, match="installed under the same name"):
        Architecture("wave:Net").build()
