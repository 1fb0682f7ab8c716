"""Folders that anybody may write into: links, FIFOs and names that lead a search for photos astray."""

import os
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import EvaluateJob, InputError, ScoreJob, ScoreOptions, Sink, Source, evaluate, read, run
from jobs.scoring.sources import local_files, read_for
from jobs.scoring.sources.left_out import in_words
from jobs.spark import local_reading
from mlruns_fixture import PLAIN
from mlruns_fixture.build import Fixture
from pyfunc_models import PHOTO_SUFFIXES
from registry import Registry

RED = PLAIN["red-64x48.jpg"]


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder with two photos, a link to one of them, and whatever else somebody may put there."""
    outside = tmp_path / "outside"
    folder = tmp_path / "photos"
    for path in (outside, folder, folder / "deeper", folder / "_work", folder / ".git"):
        path.mkdir()
    (outside / "secret.jpg").write_bytes(RED)
    for name in ("one.jpg", "deeper/two.JPEG", ".hidden.jpg", "_hidden.jpg", "_work/three.jpg", "notes.txt"):
        (folder / name).write_bytes(RED)
    (folder / "again.jpg").symlink_to("deeper/two.JPEG")
    (folder / "secret.jpg").symlink_to(outside / "secret.jpg")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "nothing.jpg").symlink_to("no-such-file")
    (folder / "loop").symlink_to(".")
    (folder / "deeper" / "loop.jpg").symlink_to("..")
    (folder / "elsewhere").symlink_to(outside)
    os.mkfifo(folder / "fifo.jpg")
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jpg"))).write_bytes(RED)
    return folder


LEFT_OUT = {"link": 2, "linked_folder": 3, "not_regular": 1, "not_utf8": 1, "hidden": 4, "other_suffix": 1}


def names(listing: local_files.Listing, folder: Path) -> dict[str, str]:
    """What each photo is called, and what is opened for it, below the folder."""
    paths = (path.removeprefix(f"file:{folder}/") for path in listing.photos["path"].to_pylist())
    opened = (os.fsdecode(path).removeprefix(f"{folder}/") for path in listing.photos["content"].to_pylist())
    return dict(zip(paths, opened, strict=True))


def test_a_search_finds_each_photo_once_and_counts_what_it_passes_by(trap: Path) -> None:
    found = local_files.search(str(trap), PHOTO_SUFFIXES)
    assert names(found, trap) == {
        "one.jpg": "one.jpg",
        "deeper/two.JPEG": "deeper/two.JPEG",
        "again.jpg": "deeper/two.JPEG",
    }
    # The link to /dev/zero leads elsewhere before it leads to a device.
    assert found.left_out == LEFT_OUT | {"link": 3}
    assert in_words({"link": 3, "not_regular": 1}) == (
        "3 links to files elsewhere, 1 not regular files (FIFOs, sockets, devices)"
    )


def test_links_are_followed_where_that_is_asked_for_and_each_folder_is_searched_once(trap: Path) -> None:
    found = local_files.search(str(trap), PHOTO_SUFFIXES, follow_links=True)
    secret = str(trap.parent / "outside" / "secret.jpg")
    assert names(found, trap) == {
        "one.jpg": "one.jpg",
        "deeper/two.JPEG": "deeper/two.JPEG",
        "again.jpg": "deeper/two.JPEG",
        "secret.jpg": secret,
        "elsewhere/secret.jpg": "elsewhere/secret.jpg",
    }
    assert found.left_out["not_regular"] == 2
    assert found.left_out["linked_folder"] == 2


def test_links_to_folders_in_each_other_are_no_maze(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        for other in ("a", "b", "c"):
            (tmp_path / name / f"to-{other}").symlink_to(f"../{other}")
    (tmp_path / "a" / "one.jpg").write_bytes(RED)
    for follow in (False, True):
        found = local_files.search(str(tmp_path), PHOTO_SUFFIXES, follow)
        assert found.files == 1
        assert found.left_out["linked_folder"] == 9


def test_times_and_sizes_of_files_are_taken_as_they_come(tmp_path: Path) -> None:
    for name, at in (("old.jpg", -(10**9)), ("new.jpg", 10**10)):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (at, at))
    found = local_files.search(str(tmp_path), PHOTO_SUFFIXES)
    assert (found.files, found.size) == (2, 0)
    assert found.photos["modificationTime"].to_pylist()[0].year in (1970, 2286)


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [("/data/photos/*.jpg", "/data/photos"), ("/data/{a,b}/x", "/data"), ("/*", "/"), ("/a/b.jpg", "/a")],
)
def test_the_folder_of_a_glob_is_what_comes_before_its_wildcards(pattern: str, folder: str) -> None:
    assert local_files.folder_of(pattern) == folder


# --- jobs


def test_a_job_scores_the_photos_of_such_a_folder_and_says_what_it_left_out(
    spark: SparkSession, fixture: Fixture, trap: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    job = ScoreJob("models:/colours/Production", Source(str(trap)), Sink(str(tmp_path / "out")))
    done = run(spark, Registry(), job, said.append)
    assert done.by_status == {"ok": 3}
    assert done.document()["left_out"] == LEFT_OUT | {"link": 3}
    assert any("1 not regular files (FIFOs, sockets, devices)" in line for line in said)
    paths = [row.path for row in spark.read.parquet(str(tmp_path / "out")).select("path").collect()]
    assert sorted(paths) == [f"file:{trap}/{name}" for name in ("again.jpg", "deeper/two.JPEG", "one.jpg")]


def test_bytes_are_read_for_the_same_photos_and_by_spark_s_own_columns(
    spark: SparkSession, trap: Path
) -> None:
    photos = read(spark, Source(str(trap)))
    by_spark = spark.read.format("binaryFile").load(str(trap / "one.jpg"))
    assert photos.schema == by_spark.schema
    [one] = photos.where("path like '%/one.jpg'").collect()
    assert one == by_spark.first()
    assert {bytes(row.content) for row in photos.collect()} == {RED}


def test_a_photo_that_became_a_fifo_after_it_was_listed_hangs_no_job(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "one.jpg").write_bytes(RED)
    (tmp_path / "two.jpg").write_bytes(RED)
    by_bytes = read(spark, Source(str(tmp_path)))
    reading = read_for(spark, Source(str(tmp_path)), ScoreOptions(), takes_paths=True)
    (tmp_path / "one.jpg").unlink()
    os.mkfifo(tmp_path / "one.jpg")
    contents = {Path(row.path).name: row.content for row in by_bytes.collect()}
    assert contents["one.jpg"] is None
    assert bytes(contents["two.jpg"]) == RED
    digests = reading.rows.select(local_reading.digests()("content")).collect()
    assert sorted(row[0] is None for row in digests) == [False, True]


def test_a_glob_and_a_single_file_are_no_way_around(spark: SparkSession, trap: Path) -> None:
    def found(path: Path, **options: bool) -> set[str]:
        reading = read_for(spark, Source(str(path), **options), ScoreOptions(), takes_paths=True)
        return {Path(row.path).name for row in reading.rows.collect()}

    assert found(trap / "*.jpg") == {"one.jpg", "again.jpg"}
    assert found(trap / "*.jpg", follow_links=True) == {"one.jpg", "again.jpg", "secret.jpg"}
    assert found(trap / "secret.jpg") == {"secret.jpg"}  # who names a link means what it leads to
    with pytest.raises(InputError, match="1 not regular files"):
        found(trap / "fifo.jpg")
    with pytest.raises(InputError, match=r"no photo.*1 linked folders"):
        found(trap / "e[l]sewhere" / "*")


def test_an_evaluation_reads_no_link_either(
    spark: SparkSession, fixture: Fixture, trap: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("file,class_index\nsecret.jpg,0\n")
    job = EvaluateJob("models:/colours/1", str(trap), str(labels))
    with pytest.raises(InputError, match=r"there is no photo 'secret.jpg'"):
        evaluate(spark, Registry(), job, lambda line: None)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for folder in range(20):
        (tmp_path / str(folder)).mkdir()
        for photo in range(250):
            (tmp_path / str(folder) / f"{photo}.jpg").touch()
    return tmp_path


def test_a_listing_is_arrow_and_no_python_rows(
    spark: SparkSession, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_files, "_CHUNK", 300)
    found = local_files.search(str(many), PHOTO_SUFFIXES)
    assert found.files == 5000
    assert found.photos["path"].num_chunks == 17
    assert found.photos.nbytes < 5000 * 250
    started = time.monotonic()
    assert spark.createDataFrame(found.photos).count() == 5000
    assert time.monotonic() - started < 60
