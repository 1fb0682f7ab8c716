"""One copy of a model's big files per node, whatever ends, breaks or races; and nobody's own files are touched."""

import fcntl
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import mlflow.pyfunc
import pytest
from mlflow.utils import _spark_utils

from pyfunc_models.worker import big_files, manifest, model_store, node_store
from pyfunc_models.worker.node_store import NodeStore, StoreUnavailable

ROOT = Path(__file__).parents[2]
MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A store of this test's own, and nothing held or remembered from another test."""
    monkeypatch.setenv("STAGEWRIGHT_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(node_store, "_held", {})
    monkeypatch.setattr(big_files, "_extractions", {})
    monkeypatch.setattr(model_store, "_VERIFIED", {})
    yield
    _let_go()


def _let_go() -> None:
    """What the kernel does when this process ends."""
    while node_store._held:
        os.close(node_store._held.popitem()[1])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Looks like a packaged model, with one file that is big and one that is not."""
    return make_model(tmp_path / "model")


def make_model(folder: Path, filling: bytes = b"w") -> Path:
    graphs = folder / "artifacts" / "model"
    graphs.mkdir(parents=True)
    (graphs / "model.bin").write_bytes(filling * (2 * MEGABYTE))
    (graphs / "model.xml").write_text("<net/>")
    manifest.write(folder)
    return folder


def extract(model: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What MLflow does in a worker process on a cluster."""
    shutil.copytree(model, into)
    paths = _spark_utils._SparkDirectoryDistributor._extracted_dir_paths
    monkeypatch.setitem(paths, f"{into}.zip", str(into))
    return into


def weights(root: Path) -> Path:
    return root / "artifacts" / "model" / "model.bin"


def stored(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "store" / "v1" / "files").iterdir())


def files_below(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Name -> inode, size, mtime: what changes if anything is done to the file."""
    return {
        str(path.relative_to(folder)): (status.st_ino, status.st_size, status.st_mtime_ns)
        for path in folder.rglob("*")
        if (status := path.lstat())
    }


# --- real processes


def start(script: str, args: Sequence[object], env: dict[str, str] | None = None) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
    )


# A worker process on a cluster, as far as the model is concerned.
WORKER = """
    import shutil, sys
    from pathlib import Path
    from types import SimpleNamespace
    from pyfunc_models.worker import model_store
    model, into = map(Path, sys.argv[1:])
    shutil.copytree(model, into)
    # In MLflow's place, whose import costs eight processes 20 s; the cluster test has the real one.
    extracted = SimpleNamespace(_extracted_dir_paths={"zip": str(into)})
    sys.modules["mlflow.utils._spark_utils"] = SimpleNamespace(_SparkDirectoryDistributor=extracted)
    print("ready", flush=True)
    sys.stdin.readline()
    model_store.verify_once(into)
    print((into / "artifacts/model/model.bin").resolve(), flush=True)
    sys.stdin.readline()
"""


def test_eight_processes_at_once_leave_one_copy_and_their_successor_leaves_nothing_of_them(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as ends:
        workers = [ends.enter_context(start(WORKER, [model, tmp_path / f"worker-{i}"])) for i in range(8)]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        used = {worker.stdout.readline().strip() for worker in workers if worker.stdout}
        assert used == {str(path) for path in stored(tmp_path)}
        assert len(used) == 1
        big = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > MEGABYTE]
        assert {path.stat().st_ino for path in big if path != weights(model)} == {
            stored(tmp_path)[0].stat().st_ino
        }
        workers[0].send_signal(signal.SIGKILL)
        workers[0].wait()
        NodeStore.here().sweep()
        assert [(tmp_path / f"worker-{i}").exists() for i in range(8)] == [False] + [True] * 7
    NodeStore.here().sweep()
    assert not list(tmp_path.glob("worker-*"))
    assert sorted(path.name for path in (tmp_path / "store" / "v1" / "claims").iterdir()) == []


KILLED_WHILE_IT_PUTS = """
    import os, shutil, signal, sys
    from pathlib import Path
    from pyfunc_models.worker import node_store

    def half(source, target):
        target.write_bytes(source.read_bytes()[:1000])
        os.kill(os.getpid(), signal.SIGKILL)

    node_store._link_or_copy = half
    node_store.NodeStore.here().take(sys.argv[1], Path(sys.argv[2]))
"""


def test_a_process_killed_in_the_middle_of_putting_in_blocks_nobody_and_leaves_nothing(
    model: Path, tmp_path: Path
) -> None:
    digest = manifest.sha256(weights(model))
    with start(KILLED_WHILE_IT_PUTS, [digest, weights(model)]) as killed:
        assert killed.wait(timeout=30) == -signal.SIGKILL
    partial = tmp_path / "store" / "v1" / "partial"
    assert len(list(partial.iterdir())) == 1
    store = NodeStore.here()
    store.sweep()
    taken = store.take(digest, weights(model))
    assert taken is not None
    assert manifest.sha256(taken) == digest
    assert list(partial.iterdir()) == []


# --- content


def test_what_mlflow_extracted_for_this_process_becomes_links_to_the_store(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = extract(model, tmp_path / "extracted", monkeypatch)
    model_store.verify_once(root)
    assert weights(root).is_symlink()
    assert [weights(root).resolve()] == stored(tmp_path)
    assert not (root / "artifacts" / "model" / "model.xml").is_symlink()
    assert manifest.sha256(weights(root)) == manifest.read(root)["artifacts/model/model.bin"]


def test_a_second_extraction_in_one_process_is_the_first_one(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = extract(model, tmp_path / "first", monkeypatch)
    model_store.verify_once(first)
    second = extract(model, tmp_path / "second", monkeypatch)
    model_store.verify_once(second)
    assert second.resolve() == first
    other = extract(make_model(tmp_path / "other-model", b"o"), tmp_path / "other", monkeypatch)
    model_store.verify_once(other)
    assert not other.is_symlink()


def test_a_damaged_file_of_the_store_is_seen_and_put_in_again(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model_store.verify_once(extract(model, tmp_path / "first", monkeypatch))
    [file] = stored(tmp_path)
    _let_go()
    before = file.stat()
    file.chmod(0o600)
    with file.open("r+b") as damaged:
        damaged.seek(1000)
        damaged.write(b"!")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a failing disk would
    monkeypatch.setattr(big_files, "_extractions", {})
    second = extract(model, tmp_path / "second", monkeypatch)
    with caplog.at_level(logging.WARNING):
        model_store.verify_once(second)
    assert "is damaged" in caplog.text
    assert manifest.sha256(weights(second)) == manifest.sha256(weights(model)) == file.name


def test_a_damaged_extraction_is_refused_and_never_gets_into_the_store(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = extract(model, tmp_path / "extracted", monkeypatch)
    weights(root).write_bytes(b"x" * (2 * MEGABYTE))
    with pytest.raises(manifest.ManifestError, match=r"model\.bin' is not the file that was packaged"):
        model_store.verify_once(root)
    assert stored(tmp_path) == []


# --- size


def put(store: NodeStore, folder: Path, filling: bytes) -> str:
    folder.mkdir(exist_ok=True)
    content = filling * MEGABYTE
    digest = hashlib.sha256(content).hexdigest()
    source = folder / digest
    source.write_bytes(content)
    assert store.take(digest, source) is not None
    source.unlink()
    return digest


def test_above_its_cap_the_store_drops_what_was_used_longest_ago_but_nothing_in_use(tmp_path: Path) -> None:
    store = NodeStore(tmp_path / "store", max_bytes=2 * MEGABYTE)
    oldest, middle = put(store, tmp_path / "put", b"1"), put(store, tmp_path / "put", b"2")
    _let_go()
    assert store.take(oldest, tmp_path / "nothing") is not None  # used again, and in use from now on
    _let_go()
    newest = put(store, tmp_path / "put", b"3")
    assert {path.name for path in stored(tmp_path)} == {oldest, newest}
    assert middle not in {path.name for path in stored(tmp_path)}
    in_use = (tmp_path / "store" / "v1" / "files" / oldest).open("rb")
    fcntl.flock(in_use, fcntl.LOCK_SH)
    last = put(store, tmp_path / "put", b"4")
    assert {path.name for path in stored(tmp_path)} == {oldest, newest, last}, "all three are in use"
    in_use.close()
    _let_go()
    put(store, tmp_path / "put", b"5")
    assert len(stored(tmp_path)) == 2


def test_the_cap_is_read_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert NodeStore.here().max_bytes == 4 * 1024**3
    monkeypatch.setenv("STAGEWRIGHT_STORE_MAX_BYTES", "1000")
    assert NodeStore.here().max_bytes == 1000
    monkeypatch.setenv("STAGEWRIGHT_STORE_MAX_BYTES", "4 GB")
    with pytest.raises(StoreUnavailable, match="'4 GB' is not a number of bytes"):
        NodeStore.here()


# --- a folder that cannot be used


def test_a_store_is_for_its_user_alone(tmp_path: Path) -> None:
    NodeStore.here()
    folder = tmp_path / "store"
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o722)
    with pytest.raises(StoreUnavailable, match="Others may write"):
        NodeStore.here()


def test_a_store_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "store").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailable, match="is a link"):
        NodeStore.here()


def test_a_store_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    NodeStore.here()
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    with pytest.raises(StoreUnavailable, match="belongs to user"):
        NodeStore.here()


@pytest.mark.parametrize("why", ["unsafe", "no folder can be made there"])
def test_without_a_store_the_worker_keeps_its_own_copy_and_says_so(
    why: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = tmp_path / "store"
    if why == "unsafe":
        store.mkdir()
        store.chmod(0o777)
    else:
        store.write_text("a file")
    root = extract(model, tmp_path / "extracted", monkeypatch)
    before = files_below(root)
    with caplog.at_level(logging.WARNING):
        model_store.verify_once(root)
        model_store.verify_once(root)
    assert caplog.text.count("keeps its own copy of the model") == 1
    assert files_below(root) == before


# --- other people's files


def test_a_path_that_a_user_gave_to_mlflow_is_never_touched(colours: Path, tmp_path: Path) -> None:
    # Another test may have imported the wrapper from there.
    own = shutil.copytree(colours, tmp_path / "own", ignore=shutil.ignore_patterns("__pycache__"))
    weights(own).write_bytes(b"w" * (2 * MEGABYTE))
    manifest.write(own)
    before = files_below(own)
    mlflow.pyfunc.load_model(str(own))
    after = {name: seen for name, seen in files_below(own).items() if "__pycache__" not in name}
    assert {name: after[name] for name in before if not (own / name).is_dir()} == {
        name: seen for name, seen in before.items() if not (own / name).is_dir()
    }
    assert not (tmp_path / "store").exists()


def test_a_file_missing_from_a_users_own_directory_is_missing_even_if_the_store_has_it(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_store.verify_once(extract(model, tmp_path / "extracted", monkeypatch))
    weights(model).unlink()
    with pytest.raises(manifest.ManifestError, match=r"model\.bin' is missing"):
        model_store.verify_once(model)


def test_a_claimed_folder_whose_name_means_another_folder_by_now_stays(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = extract(model, tmp_path / "extracted", monkeypatch)
    model_store.verify_once(root)
    _let_go()
    root.rename(tmp_path / "kept-so-that-the-inode-is-taken")
    root.mkdir()
    (root / "somebody's").write_text("own")
    NodeStore.here().sweep()
    assert (root / "somebody's").read_text() == "own"


# --- whoever may rename a parent may put another store there


def test_a_store_below_a_folder_of_somebody_else_or_that_others_write_to_is_refused(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    NodeStore(parent / "inner" / "store")
    assert [path.stat().st_mode & 0o777 for path in (parent, parent / "inner")] == [0o700, 0o700]
    parent.chmod(0o777)
    with pytest.raises(StoreUnavailable, match=r"below '.*parent', where others may put another .*mode 777"):
        NodeStore(parent / "inner" / "store")
    parent.chmod(0o1777)  # as /tmp is
    NodeStore(parent / "inner" / "store")


def test_a_store_below_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "parent" / "store"
    NodeStore(store)
    seen = Path.lstat

    def of_somebody_else(path: Path) -> os.stat_result:
        status = seen(path)
        owner = 12345 if path == store.parent else status.st_uid
        return os.stat_result((*status[:4], owner, *status[5:]))

    monkeypatch.setattr(Path, "lstat", of_somebody_else)
    with pytest.raises(StoreUnavailable, match=r"below '.*parent', which belongs to user 12345"):
        NodeStore(store)


def test_a_store_behind_a_link_in_a_folder_that_others_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir(mode=0o700)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    (tmp_path / "shared" / "link").symlink_to(tmp_path / "own")
    with pytest.raises(StoreUnavailable, match=r"below '.*shared', where others"):
        NodeStore(tmp_path / "shared" / "link" / "store")
