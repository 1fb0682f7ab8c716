"""A digest is computed, never believed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from registry import ArtifactMismatch, InvalidPackage, ModelVersion, Registry, tags
from registry.trust.packaged import PackagedModel

from .conftest import PackageMaker, describe, sha256, write_description
from .test_artifacts import stored


def planted(reg: Registry, honest: Path, other: Path, name: str, **more: object) -> ModelVersion:
    """A version of other files, whose description (but for `more`) and tags claim the honest model's digest."""
    said = json.loads((honest / "stagewright.json").read_text())
    claim = {"model_digest": said["model_digest"]} | more
    registered = reg.register(other, name).version
    place = stored(registered)
    write_description(place, json.loads((place / "stagewright.json").read_text()) | claim)
    forged = {tags.MODEL_DIGEST: said["model_digest"], tags.MANIFEST_DIGEST: sha256(place / "SHA256SUMS")}
    reg.set_version_tags(registered, forged)
    return reg.resolve(registered.pinned_uri)


def test_a_version_that_an_earlier_commit_packaged_has_the_digest_that_it_claims(old_package: Path) -> None:
    said = json.loads((old_package / "stagewright.json").read_text())
    assert PackagedModel.read(old_package).model_digest == said["model_digest"]
    assert "ir" not in said["digests"]


def test_a_planted_version_does_not_keep_the_owner_from_registering(
    sqlite_reg: Registry, package: PackageMaker, name: str
) -> None:
    honest = package()
    version = planted(sqlite_reg, honest, package(), name)
    assert version.model_digest == json.loads((honest / "stagewright.json").read_text())["model_digest"]
    made = sqlite_reg.register(honest, name)
    assert (made.created, made.version.number) == (True, 2)
    [line] = made.warnings
    assert "Version 1 claims the digest of this model, but is not this model" in line
    again = sqlite_reg.register(honest, name)
    assert (again.created, again.version.number, len(again.warnings)) == (False, 2, 1)


def test_a_planted_version_without_files_does_not_either(
    sqlite_reg: Registry, package: PackageMaker, name: str
) -> None:
    honest = package()
    shutil.rmtree(stored(planted(sqlite_reg, honest, package(), name)))
    assert sqlite_reg.register(honest, name).version.number == 2


def test_a_version_that_claims_another_digest_is_not_fetched(
    sqlite_reg: Registry, package: PackageMaker, name: str, tmp_path: Path
) -> None:
    honest = package()
    version = planted(sqlite_reg, honest, package(), name)
    with pytest.raises(ArtifactMismatch) as told:
        sqlite_reg.fetch(version, tmp_path / "into")
    assert version.pinned_uri in told.value.message
    assert f"the model digest is {version.model_digest}; computed from its files it is" in told.value.message
    assert list((tmp_path / "into").iterdir()) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (tags.MODEL_DIGEST, "0" * 64),
        (tags.KIND, "embedder"),
        (tags.PRECISIONS, "f32,int8"),
        (tags.DECODES, "full,reduced"),
        (tags.ARCHITECTURE, "torchvision:resnet18"),
        (tags.digest_of("weights"), "0" * 64),
        (tags.measured("bf16", "agreement"), "1.0"),
        (tags.measured("int8", "agreement"), "1.0"),
    ],
)
def test_a_changed_tag_is_refused_where_the_files_say_another_thing(
    sqlite_reg: Registry, package: PackageMaker, name: str, tmp_path: Path, key: str, value: str
) -> None:
    version = sqlite_reg.register(package(), name).version
    sqlite_reg.fetch(version, tmp_path / "before")
    sqlite_reg.set_version_tags(version, {key: value})
    changed = sqlite_reg.resolve(version.pinned_uri)
    with pytest.raises(ArtifactMismatch, match=f"{key}' claims '{value}'; by its files it is"):
        sqlite_reg.fetch(changed, tmp_path / "before")


def test_a_version_without_a_digest_is_refused(
    sqlite_reg: Registry, sqlite_uri: str, package: PackageMaker, name: str, tmp_path: Path
) -> None:
    from mlflow.tracking import MlflowClient

    version = sqlite_reg.register(package(), name).version
    MlflowClient(sqlite_uri).delete_model_version_tag(name, "1", tags.MODEL_DIGEST)
    with pytest.raises(ArtifactMismatch, match="claims None"):
        sqlite_reg.fetch(sqlite_reg.resolve(version.pinned_uri), tmp_path)


def rewrite(directory: Path, name: str, text: str | bytes) -> None:
    file = directory / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())


def other_layers(directory: Path) -> None:
    file = directory / "artifacts" / "model" / "model.xml"
    file.write_text(file.read_text().replace('type="Multiply"', 'type="Add"').replace('"f32"', '"f16"'))


CHANGES: Mapping[str, object] = {
    "weights": lambda it: rewrite(it, "artifacts/model/model.bin", b"other"),
    "ir": other_layers,
    "preprocess": lambda it: rewrite(it, "artifacts/model/preprocess.json", "{}"),
    "labels": lambda it: rewrite(it, "artifacts/model/labels.json", '["a", "b", "c", "d"]'),
    "callables": lambda it: rewrite(it, "artifacts/model/callables.pkl", b"other"),
}


@pytest.mark.parametrize("part", CHANGES)
def test_each_part_that_decides_a_prediction_is_in_the_digest(package: PackageMaker, part: str) -> None:
    directory = package(pickled=["transform"])
    said = json.loads((directory / "stagewright.json").read_text())
    CHANGES[part](directory)  # type: ignore[operator]
    with pytest.raises(InvalidPackage, match=r"The model claims that the .* computed from its files it is"):
        PackagedModel.read(write_description(directory, said))
    honest = {key: value for key, value in said.items() if key not in ("digests", "model_digest")}
    assert PackagedModel.read(write_description(directory, describe(directory, **honest)))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"weights": None}, "names no digest of its weights"),
        ({"more": "0" * 64}, "no part of a model"),
        ({"int8": "0" * 64}, "int8"),
        ({"int8_ir": "0" * 64}, "int8"),
        ({"ir": ""}, "digest of its ir"),
        ({"wrapper": "0" * 64}, "digest of its wrapper"),
    ],
)
def test_the_digests_are_of_the_parts_that_are_there(
    package: PackageMaker, change: dict[str, str | None], why: str
) -> None:
    directory = package()
    said = json.loads((directory / "stagewright.json").read_text())
    digests = {key: value for key, value in (said["digests"] | change).items() if value is not None}
    with pytest.raises(InvalidPackage, match=why):
        PackagedModel.read(write_description(directory, said | {"digests": digests}))


def test_no_choice_of_transforms_is_left_out_of_the_digest(package: PackageMaker) -> None:
    directory = package()
    said = json.loads((directory / "stagewright.json").read_text()) | {"transforms": ["exact", "fast"]}
    with pytest.raises(InvalidPackage, match="that of no choice of transforms"):
        PackagedModel.read(write_description(directory, said))


def test_an_older_package_with_another_graph_is_another_model(
    sqlite_reg: Registry, old_package: Path, name: str, tmp_path: Path
) -> None:
    """Its digest leaves OpenVINO's graph out, which is what runs on CPUs."""
    changed = shutil.copytree(old_package, tmp_path / "changed")
    other_layers(changed)
    said = json.loads((old_package / "stagewright.json").read_text())
    sqlite_reg.register(write_description(changed, said), name)
    made = sqlite_reg.register(old_package, name)
    assert (made.created, made.version.number) == (True, 2)
    assert "its graph is another one" in made.warnings[0]
