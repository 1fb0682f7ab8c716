"""The server that the tests of the registry share is a real one."""

from pathlib import Path

from mlflow import MlflowClient

from tests.clusters import MlflowServer


def test_the_mlflow_server_answers_its_clients(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    client = MlflowClient(tracking_uri=mlflow_server.url, registry_uri=mlflow_server.url)
    artifact = tmp_path / "note.txt"
    artifact.write_text("kept")

    client.create_registered_model("clusters-test")
    run = client.create_run("0")
    client.log_artifact(run.info.run_id, str(artifact))

    assert client.get_registered_model("clusters-test").name == "clusters-test"
    assert [entry.path for entry in client.list_artifacts(run.info.run_id)] == ["note.txt"]
    assert list(mlflow_server.artifacts_dir.rglob("note.txt"))
