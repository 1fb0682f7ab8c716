"""A worker that is given paths reads the photos itself: the same answers, and a row for what is gone."""

import os
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
import pytest

from mlruns_fixture import ODD, PLAIN
from pyfunc_models import RowFault, Status
from pyfunc_models.photos import files


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


def test_what_else_the_file_system_says_is_a_fault_of_the_node_and_not_of_the_row(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        files.load(os.fsencode(tmp_path))


def test_a_file_larger_than_spark_reads_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "film.jpg"
    with path.open("wb") as file:
        file.truncate(files.MAX_BYTES + 1)  # a hole: nothing is written
    found = files.load(os.fsencode(path))
    assert isinstance(found, RowFault)
    assert found.status is Status.TOO_LARGE
