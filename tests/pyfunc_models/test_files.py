"""A worker that is given paths reads the photos itself: the same answers, and a row for what is gone."""

import errno
import os
import socket
import time
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
import pytest

from mlruns_fixture import ODD, PLAIN
from pyfunc_models import RowFault, Status, decode
from pyfunc_models.photos import files, formats


@pytest.fixture
def photos(tmp_path: Path) -> dict[Path, bytes]:
    contents = {**PLAIN, **{name: content for name, (content, _) in ODD.items()}}
    written = {tmp_path / name: content for name, content in contents.items()}
    for path, content in written.items():
        path.write_bytes(content)
    return written


def test_answers_are_those_of_the_bytes(colours: Path, photos: dict[Path, bytes]) -> None:
    model = mlflow.pyfunc.load_model(str(colours))
    by_bytes = model.predict(pd.DataFrame({"content": list(photos.values())}))
    paths = pd.DataFrame({"content": [os.fsencode(path) for path in photos]})
    by_path = model.predict(paths, params={"content_as": "path", "batch_size": 3})
    pd.testing.assert_frame_equal(by_path, by_bytes)
    assert set(by_path["status"]) > {"ok", "truncated"}


def test_a_file_that_is_gone_is_missing_and_the_others_have_their_answers(
    colours: Path, photos: dict[Path, bytes]
) -> None:
    plain = [path for path in photos if path.name in PLAIN]
    plain[1].unlink()
    rows = [os.fsencode(path) for path in plain[:3]]
    found = mlflow.pyfunc.load_model(str(colours)).predict(
        pd.DataFrame({"content": [*rows, None]}), params={"content_as": "path"}
    )
    assert list(found["status"]) == ["ok", "missing", "ok", "missing"]
    assert found["error"][1] == "no photo: the file was listed and is there no more"


def test_what_the_content_cannot_be_is_told_and_not_taken_for_bytes(colours: Path) -> None:
    model = mlflow.pyfunc.load_model(str(colours))
    with pytest.raises(ValueError, match="'paths' is not a valid ContentChoice"):
        model.predict(pd.DataFrame({"content": [b"/a"]}), params={"content_as": "paths"})


def test_what_else_the_file_system_says_is_a_fault_of_the_node_and_not_of_the_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open(path: bytes, flags: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "open", open)
    with pytest.raises(OSError, match="Input/output error"):
        files.load(os.fsencode(tmp_path))


def test_a_file_larger_than_any_photo_is_too_large_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "film.jpg"
    path.write_bytes(PLAIN["red-64x48.jpg"])
    os.truncate(path, files.MAX_BYTES + 1)  # a hole: nothing is written
    found = files.load(os.fsencode(path))
    assert isinstance(found, RowFault)
    assert found.status is Status.TOO_LARGE


# --- what somebody else puts under a photo's name


def loaded_at_once(path: Path) -> object:
    started = time.monotonic()
    found = files.load(os.fsencode(path))
    assert time.monotonic() - started < 10  # a FIFO is waited for until somebody writes
    return found


def test_what_is_no_regular_file_is_a_row_and_nothing_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "passwd.jpg").symlink_to("/etc/passwd")
    (tmp_path / "folder.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(tmp_path / "socket.jpg"))
        found = {path.stem: loaded_at_once(path) for path in tmp_path.iterdir()}
    errors = {}
    for name, fault in found.items():
        assert isinstance(fault, RowFault), name
        assert fault.status is Status.UNSUPPORTED
        errors[name] = fault.error
    assert errors == {
        "fifo": "no photo: a FIFO is no regular file, and is not read",
        "zero": "no photo: the file is a link, and links are not followed",
        "passwd": "no photo: the file is a link, and links are not followed",
        "folder": "no photo: a folder is no regular file, and is not read",
        "socket": "no photo: a socket or device is no regular file, and is not read",
    }


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/tty", "/proc/self/mem", "/proc/self/environ"])
def test_a_device_and_what_the_kernel_makes_up_give_no_bytes(path: str) -> None:
    found = loaded_at_once(Path(path))
    assert not found or isinstance(found, RowFault)


def test_a_path_that_no_file_can_have_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in ("a" * 300, "a\0b", "file/below.jpg"):
        found = files.load(os.fsencode(f"{tmp_path}/{path}"))
        assert isinstance(found, RowFault)
        assert found.status is Status.MISSING


def test_a_file_that_grows_is_read_up_to_where_it_was_when_it_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "grows.jpg"
    path.write_bytes(b"before")
    seen = os.fstat

    def grown(descriptor: int) -> os.stat_result:
        found = seen(descriptor)
        with path.open("ab") as file:
            file.write(b" and after" * 1000)
        return found

    monkeypatch.setattr(os, "fstat", grown)
    assert files.load(os.fsencode(path)) == b"before"


def test_a_large_file_that_is_no_photo_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "core.jpg"
    path.write_bytes(b"root:x:0:0")
    os.truncate(path, files.MAX_BYTES - 1)
    found = files.load(os.fsencode(path))
    assert isinstance(found, bytes)
    assert len(found) < 100_000


def test_an_error_has_nothing_of_what_is_no_photo(tmp_path: Path) -> None:
    path = tmp_path / "shadow.jpg"
    path.write_bytes(b"root:$6$secret:19000:0:99999:7:::")
    found = decode(files.load(os.fsencode(path)))  # type: ignore[arg-type]
    assert isinstance(found, RowFault)
    assert found == RowFault(
        Status.UNDECODABLE,
        f"the content begins like no image that is known; supported are {formats.names()}",
    )
