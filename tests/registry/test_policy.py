"""What a registry and a machine let in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from registry import (
    ArtifactMismatch,
    ModelNotFound,
    Policy,
    PolicyRefused,
    PublicKey,
    Registry,
    Stage,
    Use,
    UserError,
    tags,
)
from registry.trust import policy

from .conftest import PackageMaker
from .test_signing import key_pair

Here = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _no_policy_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(policy.FILE_VARIABLE, raising=False)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    """Writes this machine's policy, where the variable names it."""
    file = tmp_path / "machine" / "policy.toml"
    file.parent.mkdir()

    def write(text: str) -> Path:
        file.write_text(text)
        monkeypatch.setenv(policy.FILE_VARIABLE, str(file))
        return file

    return write


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, PublicKey]:
    return key_pair(tmp_path / "machine-keys", "release")


def wanted(**rules: object) -> Policy:
    return Policy("", **rules)  # type: ignore[arg-type]


# --- the model's own


def test_a_policy_is_kept_with_the_model_and_says_who_set_it(
    reg: Registry, package: PackageMaker, name: str, release: tuple[Path, PublicKey]
) -> None:
    reg.register(package(), name)
    assert reg.policy(name) == Policy(f"the policy of {name!r}")
    asked = wanted(refuse_pickled=True, public_keys=(release[1],), only_stage=Stage.PRODUCTION)
    made = reg.set_policy(name, asked)
    assert reg.policy(name) == made
    assert (made.refuse_pickled, made.public_keys, made.only_stage) == (True, (release[1],), Stage.PRODUCTION)
    assert made.set_by
    assert made.set_at
    with pytest.raises(ModelNotFound):
        reg.set_policy(f"{name}-other", asked)


def test_a_pickled_model_is_refused_before_it_is_uploaded(
    reg: Registry, uri: str, package: PackageMaker, name: str
) -> None:
    reg.register(package(), name)
    reg.set_policy(name, wanted(refuse_pickled=True))
    before = logged_models(uri)
    with pytest.raises(
        PolicyRefused, match=rf"pickled parts \(transform\), which the policy of '{name}' refuses"
    ):
        reg.register(package(pickled=["transform"]), name)
    assert [version.number for version in reg.versions(name)] == [1]
    assert logged_models(uri) == before
    assert reg.register(package(), name).version.number == 2


def logged_models(uri: str) -> int:
    client = MlflowClient(uri)
    places = [found.experiment_id for found in client.search_experiments()]
    return len(client.search_logged_models(places, max_results=500))


def test_a_pickled_version_from_before_the_policy_is_refused_when_it_is_used(
    reg: Registry, package: PackageMaker, name: str
) -> None:
    version = reg.register(package(pickled=["transform", "postprocess"]), name).version
    reg.check(version)
    reg.set_policy(name, wanted(refuse_pickled=True))
    for use in Use:
        with pytest.raises(PolicyRefused, match=r"transform, postprocess"):
            reg.check(version, use)
    reg.set_policy(name, wanted())
    reg.check(version)


def test_a_tag_that_hides_pickles_is_found_out_when_the_version_is_fetched(
    sqlite_reg: Registry, package: PackageMaker, name: str, tmp_path: Path
) -> None:
    version = sqlite_reg.register(package(pickled=["transform"]), name).version
    sqlite_reg.fetch(version, tmp_path / "into")
    sqlite_reg.set_version_tags(version, {tags.PICKLED: "none"})
    hidden = sqlite_reg.resolve(version.pinned_uri)
    for folder in ("into", "new"):
        with pytest.raises(ArtifactMismatch, match="pickled' claims 'none'; by its files it is 'transform'"):
            sqlite_reg.fetch(hidden, tmp_path / folder)


def test_unsigned_versions_are_refused_until_a_trusted_key_signs(
    reg: Registry, package: PackageMaker, name: str, release: tuple[Path, PublicKey]
) -> None:
    version = reg.register(package(), name).version
    reg.set_policy(name, wanted(public_keys=(release[1],)))
    with pytest.raises(
        PolicyRefused, match=r"signatures by nobody.*asked for by the policy of.*stagewright sign"
    ):
        reg.check(version, Use.EVALUATION)
    reg.sign(version, release[0])
    signed = reg.resolve(version.pinned_uri)
    reg.check(signed)
    reg.set_version_tags(signed, {tags.MANIFEST_DIGEST: "0" * 64})
    with pytest.raises(PolicyRefused, match="not one of this version"):
        reg.check(reg.resolve(version.pinned_uri))


def test_jobs_use_what_stands_in_the_stage_however_they_name_it(
    reg: Registry, package: PackageMaker, name: str
) -> None:
    for _ in range(2):
        reg.register(package(), name)
    reg.set_policy(name, wanted(only_stage=Stage.PRODUCTION))
    with pytest.raises(PolicyRefused, match="which has no version now"):
        reg.check(reg.resolve(f"models:/{name}/1"))
    reg.promote(name, 1, "Production")
    for form in ("/1", "/Production", "@production"):
        reg.check(reg.resolve(f"models:/{name}{form}"))
    second = reg.resolve(f"models:/{name}/2")
    with pytest.raises(PolicyRefused, match=f"Production, which has version 1 now; the policy of '{name}'"):
        reg.check(second)
    reg.check(second, Use.EVALUATION)
    first = reg.resolve(f"models:/{name}/1")
    reg.promote(name, 2, "Production")
    reg.check(second)
    with pytest.raises(PolicyRefused, match="which has version 2 now"):
        reg.check(first)  # resolved while it stood there


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"refuse": ["unknown"]}',
        '{"newer": true}',
        '{"public_keys": ["x"]}',
        '{"only_stage": "X"}',
    ],
)
def test_a_policy_that_nobody_understands_lets_nothing_in(
    sqlite_reg: Registry, sqlite_uri: str, package: PackageMaker, name: str, text: str
) -> None:
    version = sqlite_reg.register(package(), name).version
    MlflowClient(sqlite_uri).set_registered_model_tag(name, tags.POLICY, text)
    with pytest.raises(
        PolicyRefused, match=f"The policy of '{name}' cannot be understood.*stagewright policy"
    ):
        sqlite_reg.check(version)
    with pytest.raises(PolicyRefused, match="cannot be understood"):
        sqlite_reg.register(package(), name)
    sqlite_reg.set_policy(name, wanted())
    sqlite_reg.check(version)


def test_more_keys_than_a_tag_can_hold_are_refused(
    sqlite_reg: Registry, package: PackageMaker, name: str, tmp_path: Path
) -> None:
    sqlite_reg.register(package(), name)
    keys = tuple(key_pair(tmp_path / "many", f"key-{place}")[1] for place in range(30))
    with pytest.raises(UserError, match=r"a model's tag keeps 4900. Trust fewer keys"):
        sqlite_reg.set_policy(name, wanted(public_keys=keys))
    sqlite_reg.set_policy(name, wanted(public_keys=keys[:20]))
    assert len(json.dumps(sqlite_reg.policy(name).document())) < 5000


# --- this machine's


def test_this_machines_policy_holds_for_every_model_besides_the_models_own(
    sqlite_reg: Registry, package: PackageMaker, name: str, here: Here, release: tuple[Path, PublicKey]
) -> None:
    version = sqlite_reg.register(package(pickled=["transform"]), name).version
    here('refuse = ["pickled"]')
    with pytest.raises(PolicyRefused, match=r"policy\.toml refuses"):
        sqlite_reg.check(version)
    here('only_stage = "Production"')
    sqlite_reg.promote(name, 1, "Production")
    sqlite_reg.check(version)
    sqlite_reg.set_policy(name, wanted(refuse_pickled=True))
    with pytest.raises(PolicyRefused, match="the policy of"):
        sqlite_reg.check(version)


def test_what_either_policy_asks_for_must_be_there(
    sqlite_reg: Registry, package: PackageMaker, name: str, here: Here, tmp_path: Path
) -> None:
    mine, theirs = (key_pair(tmp_path / "machine", key) for key in ("mine", "theirs"))
    version = sqlite_reg.register(package(), name).version
    here('require_signature = true\npublic_keys = ["mine.pub"]')
    sqlite_reg.set_policy(name, wanted(public_keys=(theirs[1],)))
    for private in (mine[0], theirs[0]):
        with pytest.raises(PolicyRefused):
            sqlite_reg.check(sqlite_reg.resolve(version.pinned_uri))
        sqlite_reg.sign(version, private)
    sqlite_reg.check(sqlite_reg.resolve(version.pinned_uri))


def test_a_model_that_this_machine_refuses_is_not_even_named_in_the_registry(
    sqlite_reg: Registry, package: PackageMaker, name: str, here: Here
) -> None:
    here('refuse = ["pickled"]')
    with pytest.raises(PolicyRefused):
        sqlite_reg.register(package(pickled=["transform"]), name)
    assert sqlite_reg.names() == []


def test_the_policy_of_the_current_folder_is_found_and_the_variable_wins(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert policy.local() is None
    Path("policy.toml").write_text('only_stage = "Staging"')
    found = policy.local()
    assert found is not None
    assert found.only_stage is Stage.STAGING
    named = here('refuse = ["pickled"]')
    found = policy.local()
    assert found == Policy(str(named), refuse_pickled=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("refuse_pickled = true", "'refuse_pickled' is unknown here; there are .*refuse"),
        ("refuse = ['unsigned']", "'unsigned' cannot be refused; there are 'pickled' and 'foreign'"),
        ("only_stage = 'Archived'", "'Archived' is none of Staging, Production"),
        ("require_signature = true", "'require_signature' and public_keys go together"),
        ("public_keys = ['a.pub']", "'require_signature' and public_keys go together"),
        ("require_signature = true\npublic_keys = ['a.pub']", r"a\.pub' cannot be read"),
        ("= 3", "is not TOML"),
    ],
)
def test_a_mistake_in_this_machines_policy_is_told(here: Here, text: str, said: str) -> None:
    file = here(text)
    with pytest.raises(UserError, match=said) as told:
        policy.local()
    assert str(file.parent) in str(told.value)


def test_a_policy_that_the_variable_names_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(policy.FILE_VARIABLE, "absent.toml")
    with pytest.raises(UserError, match=r"no file 'absent\.toml'"):
        policy.local()
    monkeypatch.setenv(policy.FILE_VARIABLE, "")
    with pytest.raises(UserError, match="STAGEWRIGHT_POLICY is set and names no file"):
        policy.local()


@pytest.mark.parametrize("text", ["", "# refuse = ['pickled']\n", "\n\n"])
def test_a_policy_that_says_nothing_is_a_mistake_and_lets_nothing_in(
    sqlite_reg: Registry, package: PackageMaker, name: str, here: Here, text: str
) -> None:
    version = sqlite_reg.register(package(), name).version
    here(text)
    with pytest.raises(UserError, match=r"policy\.toml' is empty"):
        sqlite_reg.check(version)
    here("refuse = []")
    sqlite_reg.check(version)


def test_a_link_of_this_folder_that_leads_nowhere_is_no_missing_policy(here: Here) -> None:
    Path("policy.toml").symlink_to("moved.toml")
    with pytest.raises(UserError, match=r"no file 'policy\.toml'"):
        policy.local()
