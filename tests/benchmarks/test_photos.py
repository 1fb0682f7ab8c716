"""The photos that the benchmark makes, and the labels that it compares."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks import labels, photos


def test_made_photos_are_of_the_usual_size_and_the_same_in_every_run(tmp_path: Path) -> None:
    made = photos.make(16, tmp_path / "a")
    again = photos.make(16, tmp_path / "b")

    contents = [file.read_bytes() for file in made.files]
    assert contents == [file.read_bytes() for file in again.files]
    assert len(set(contents)) == 16
    assert 80 < made.mean_kilobytes < 130
    assert {Image.open(io.BytesIO(content)).size for content in contents} == {(500, 375), (375, 500)}


def test_tiny_photos_are_below_a_kilobyte_and_differ() -> None:
    made = photos.make_tiny(200)

    assert max(map(len, made)) < 1000
    assert len(set(made)) > 190


def test_repeated_photos_have_names_of_their_own_that_do_not_depend_on_how_many_there_are(
    tmp_path: Path,
) -> None:
    made = photos.make(3, tmp_path / "made")

    few, many = made.take(4, tmp_path / "few"), made.take(7, tmp_path / "many")

    names = [file.name for file in sorted(many.iterdir())]
    assert names == [f"{row:07d}.jpg" for row in range(7)]
    assert all(file.read_bytes() == (many / file.name).read_bytes() for file in few.iterdir())
    assert (many / names[3]).read_bytes() == made.files[0].read_bytes()


def test_a_folder_without_jpegs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="--images takes a folder of JPEGs"):
        photos.own(tmp_path)


def write(folder: Path, rows: dict[str, list[object]]) -> Path:
    folder.mkdir()
    pq.write_table(pa.table(rows), folder / "part.parquet")
    return folder


def test_labels_are_compared_by_file_name_whatever_the_output_looks_like(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", {"path": ["file:/x/1.jpg", "/x/2.jpg", "3.jpg"], "label": [7, 8, 9]})
    ours = write(
        tmp_path / "ours", {"path": ["1.jpg", "2.jpg"], "prediction": [{"label": "7"}, {"label": "0"}]}
    )

    assert labels.share_equal(labels.read(ours), labels.read(plain)) == 0.5


def test_a_photo_that_comes_out_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 rows came out for 1 photos"):
        labels.read(write(tmp_path / "twice", {"path": ["1.jpg", "1.jpg"], "label": [1, 1]}))
