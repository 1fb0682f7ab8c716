"""Photos in HDFS, as far as there is none: what can be said without a name node, and what a real one has said."""

import socket
import sys
import time
from pathlib import Path

import pytest

from jobs.addresses import hdfs
from jobs.cli import main
from mlruns_fixture.build import Fixture

from .test_addresses import fetched

_SETTINGS = """<configuration>
  <property><name>fs.defaultFS</name><value>hdfs://127.0.0.1:9</value></property>
  <property><name>dfs.client.failover.max.attempts</name><value>0</value></property>
</configuration>"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a cluster whose name node is away, and is not asked again."""
    (tmp_path / "core-site.xml").write_text(_SETTINGS)
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))


@pytest.mark.parametrize(
    "address", ["hdfs://127.0.0.1:9/photos/a.jpg", "HDFS:///photos/a.jpg", "hdfs:/photos/a.jpg"]
)
def test_files_of_hdfs_are_read_only_below_a_root(settings: None, address: str) -> None:
    assert fetched(address)[0].error == (
        "no photo: files of HDFS are read only below a --path-root, and none was given"
    )
    root = address.lower().removesuffix("/a.jpg")
    got = fetched(
        address,
        "a.jpg",
        "hdfs://127.0.0.1:8020/photos/a.jpg",
        f"{root}/../a.jpg",
        f"{root}2/a",
        roots=(root,),
    )
    assert [each.status for each in got] == ["unreachable"] * 2 + ["forbidden"] * 3
    assert got[0].error == "no photo: HDFS gave no whole answer (OSError)"


def test_the_root_of_the_workers_own_file_system_is_not_that_of_others(settings: None) -> None:
    for root in ("hdfs:///", "hdfs://"):
        got = fetched("hdfs:///a.jpg", "hdfs://127.0.0.1:9/a.jpg", "file:///etc/passwd", roots=(root,))
        assert [each.status for each in got] == ["unreachable", "forbidden", "forbidden"]


@pytest.mark.parametrize("root", ["viewfs://cluster", "viewfs:///", "hdfs:///photos"])
def test_a_file_system_that_the_worker_does_not_know_is_told(
    monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    for name in ("HADOOP_CONF_DIR", "HADOOP_HOME"):
        monkeypatch.delenv(name, raising=False)
    [got] = fetched(f"{root}/a.jpg", roots=(root,))
    assert got.status == "unsupported"
    assert "HADOOP_CONF_DIR" in str(got.error)


def test_a_name_node_that_says_nothing_is_given_up_in_the_stated_time() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        root = f"hdfs://127.0.0.1:{server.getsockname()[1]}"
        started = time.monotonic()
        [got] = fetched(f"{root}/a.jpg", roots=(root,), timeout_s=0.5)
    assert got.error == "no photo: it did not come within 0.5 s (--photo-timeout)"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (FileNotFoundError("File does not exist: /secret.jpg\n\tat org…"), "missing", "no such file"),
        (FileNotFoundError("Path is not a file: /secret\n\tat org…"), "unsupported", "a folder"),
        (
            RuntimeError(
                'RPCError("org.apache.hadoop.security.AccessControlException", "Permission denied: user=…, /secret'
            ),
            "forbidden",
            "does not let this worker",
        ),
        (
            RuntimeError('RPCError("org.apache.hadoop.ipc.StandbyException", "Operation /secret")'),
            "unreachable",
            "StandbyException",
        ),
        (RuntimeError("PanicException"), "unreachable", "RuntimeError"),
    ],
)
def test_what_hdfs_says_is_the_rows_status(error: Exception, status: str, said: str) -> None:
    """By the words of Hadoop 2.7.3 and hdfs-native 0.14.7."""
    found = hdfs.fault(error)
    assert found.status == status
    assert said in found.error
    assert "secret" not in found.error


def test_a_worker_without_the_library_fails_the_task_and_a_driver_the_command(
    fixture: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "hdfs_native", None)
    with pytest.raises(RuntimeError, match=r"pip install 'stagewright\[hdfs\]' on all executors"):
        fetched("hdfs:///a.jpg", roots=("hdfs:///",))
    command = ["score", "models:/colours/Production", "--input", "t.parquet", "--input-format", "parquet"]
    command += ["--path-column", "url", "--path-root", "hdfs:///photos", "--output", str(tmp_path / "o")]
    assert main(command) == 2
    assert "takes hdfs-native: pip install 'stagewright[hdfs]'" in capsys.readouterr().err
