"""Versions that stagewright did not package come in only where somebody says so, and are known by their bytes."""

from pathlib import Path

import mlflow
import pytest
from mlflow.pyfunc.model import PythonModel

from registry import ArtifactMismatch, ForeignVersion, Gates, ModelVersion, Policy, PolicyRefused, Registry
from registry.gates import steps


class Same(PythonModel):
    """What it is given."""

    def predict(self, context, model_input, params=None):
        return model_input


@pytest.fixture
def version(registry_uri: str, tmp_path: Path) -> ModelVersion:
    mlflow.set_tracking_uri(registry_uri)
    mlflow.pyfunc.save_model(tmp_path / "same", python_model=Same(), pip_requirements=["mlflow"])
    client = mlflow.MlflowClient()
    client.create_registered_model("same")
    client.create_model_version("same", str(tmp_path / "same"))
    return Registry(registry_uri).resolve("models:/same/1")


def test_it_is_refused_until_the_job_or_this_machine_allows_it(
    registry_uri: str, version: ModelVersion, tmp_path: Path, monkeypatch
) -> None:
    registry = Registry(registry_uri)
    with pytest.raises(ForeignVersion, match="runs whatever code and pickles are in it"):
        registry.check(version)
    registry.check(version, allow_foreign=True)
    (tmp_path / "policy.toml").write_text('allow = ["foreign"]\n')
    monkeypatch.setenv("STAGEWRIGHT_POLICY", str(tmp_path / "policy.toml"))
    registry.check(version)
    (tmp_path / "policy.toml").write_text('allow = ["everything"]\n')
    with pytest.raises(Exception, match="cannot be allowed; there is 'foreign'"):
        registry.check(version)


@pytest.mark.parametrize("refused", [{"refuse_foreign": True}, {"refuse_pickled": True}], ids=str)
def test_no_job_can_allow_what_a_policy_refuses(
    registry_uri: str, version: ModelVersion, refused: dict[str, bool]
) -> None:
    registry = Registry(registry_uri)
    registry.set_policy("same", Policy("", **refused))
    assert registry.policy("same").refuse_foreign is refused.get("refuse_foreign", False)
    with pytest.raises(
        PolicyRefused, match="was not packaged by stagewright, and the policy of 'same' refuses"
    ):
        registry.check(version, allow_foreign=True)


def test_its_digest_is_of_its_files_and_a_link_in_it_is_refused(
    registry_uri: str, version: ModelVersion, tmp_path: Path
) -> None:
    registry = Registry(registry_uri)
    first, again = (registry.fetch_foreign(version, tmp_path / name) for name in "ab")
    assert (first.directory != again.directory, first.digest == again.digest) == (True, True)
    (tmp_path / "same" / "requirements.txt").write_text("mlflow\n")
    assert registry.fetch_foreign(version, tmp_path / "c").digest != first.digest
    (again.directory / "link").symlink_to("/etc/passwd")
    from registry.trust import foreign

    with pytest.raises(ArtifactMismatch, match="'link', which is neither a file nor a folder"):
        foreign._digest(again.directory, version)


def test_no_gate_names_a_command_that_would_refuse_it(
    registry_uri: str, version: ModelVersion, tmp_path: Path
) -> None:
    file = tmp_path / "gates.toml"
    file.write_text(
        '[Production]\nno_pickle = true\n[[Production.metrics]]\nmetric = "accuracy"\ndataset = "d"\nthreshold = 0.9\n'
    )
    verdicts = Gates.load(str(file)).of("Production").judge(version, None)
    [step] = [verdict.next_step for verdict in verdicts if verdict.next_step]
    assert step.startswith("stagewright evaluate models:/same/1 --input TABLE")
    assert "--allow-foreign" in step
    assert steps.evaluate(version, "d", "f32", signed=True) == ""
    assert steps.compare(version, version, "d", signed=True) == ""
    assert steps.approve(version, "Production") == ""
