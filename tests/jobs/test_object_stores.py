"""Outputs in an object store: a real S3 server on loopback, read by what people read with."""

import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import boto3
import pytest
from pyspark.sql import SparkSession

from jobs import InputError, ScoreJob, Sink, Source, run
from jobs.scoring.place import owner, stores
from jobs.scoring.place.stores import Bucket
from mlruns_fixture import PLAIN
from mlruns_fixture.build import Fixture
from registry import Registry

PHOTO = PLAIN["red-64x48.jpg"]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("s3") / "log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as server:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, log)
        yield address
        server.terminate()


def _wait_for(address: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urlopen(address).close()
            return
        except URLError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)


@pytest.fixture
def bucket(spark: SparkSession, endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    settings = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
        # Of workers that were started before.
        monkeypatch.setitem(spark.sparkContext.environment, name, value)
    name = tmp_path.name.replace("_", "-").lower()[-40:].strip("-")
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=name)
    return name


def test_a_name_is_given_once_and_what_is_put_is_there_whole(bucket: str, tmp_path: Path) -> None:
    store = Bucket(f"s3a://{bucket}/some/where")
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"first")
    second.write_bytes(b"second")
    assert store.is_free()
    assert [store.put_new("a.parquet", file) for file in (first, second)] == [True, False]
    assert (store.read("a.parquet"), store.size("a.parquet"), store.names()) == (b"first", 5, ["a.parquet"])
    store.put("_stagewright/x.json", b"1")
    assert store.names("_stagewright") == ["x.json"]
    assert not store.is_free()
    for _ in range(2):
        store.remove("a.parquet")
    assert store.is_free()
    assert store.read("a.parquet") is None
    assert store.age_s("_stagewright/x.json") < 60
    with store.open("_stagewright/x.json") as file:
        assert file.read() == b"1"


def test_an_owner_that_was_killed_is_taken_for_dead_after_a_while(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Bucket(f"s3://{bucket}/out")
    with owner.owned(store):
        with pytest.raises(Exception, match="works on it since"), owner.owned(store):
            pass
        monkeypatch.setattr(owner, "DEAD_S", -1.0)
        with owner.owned(store):
            pass
    assert store.names(stores.PRIVATE) == []


@pytest.mark.parametrize("format", ["parquet", "delta"])
def test_each_row_is_there_once_though_the_job_was_ended_in_between(
    spark: SparkSession, fixture: Fixture, bucket: str, tmp_path: Path, format: str
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(6):
        (photos / f"{i}.jpg").write_bytes(PHOTO)
    output = f"s3://{bucket}/scored {format}"
    job = ScoreJob("models:/colours/Production", Source(str(photos)), Sink(output, format))
    said: list[str] = []
    assert run(spark, Registry(), job, said.append).rows == 6
    if format == "parquet":
        store = Bucket(output)
        store.remove(min(store.names()))
        store.remove("_stagewright/finished-0001.json")
        assert run(spark, Registry(), job, said.append).rows == 6
    (photos / "6.jpg").write_bytes(PHOTO)
    assert run(spark, Registry(), job, said.append).rows_before == 6
    assert _paths(output, format) == Counter(f"file:{photos}/{i}.jpg" for i in range(7))
    run(spark, Registry(), job, said.append)
    assert any("Nothing new" in line for line in said)


def _paths(output: str, format: str) -> Counter[str]:
    if format == "delta":
        from deltalake import DeltaTable

        return Counter(DeltaTable(output).to_pyarrow_table()["path"].to_pylist())
    import polars

    return Counter(polars.read_parquet(f"{output}/*.parquet")["path"].to_list())


def test_a_store_that_is_not_there_is_told_of_at_the_start(
    spark: SparkSession, fixture: Fixture, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scored(output: str) -> None:
        run(
            spark, Registry(), ScoreJob("models:/colours/1", Source(str(fixture.photos)), Sink(output)), print
        )

    with pytest.raises(InputError, match=r"s3://no-such-bucket/out.* cannot be used"):
        scored("s3://no-such-bucket/out")
    monkeypatch.setattr("jobs.scoring.place.bucket.RETRY_S", 0.1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="cannot be used"):
        scored(f"s3://{bucket}/out")
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(InputError, match=r"pip install 'stagewright\[object-stores\]'"):
        scored(f"s3://{bucket}/out")


def test_photos_in_a_folder_of_a_store_are_listed_without_jars_and_a_job_goes_on(
    spark: SparkSession, fixture: Fixture, bucket: str, tmp_path: Path, endpoint: str
) -> None:
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    photos = ("a.jpg", "deep/er/b c%20d.JPG", "é#?.jpg")
    others = ("_hidden/x.jpg", ".y.jpg", "notes.txt", "raw.nef")
    for key in (*photos, *others):
        client.put_object(Bucket=bucket, Key=f"in/{key}", Body=PHOTO)
    client.put_object(Bucket=bucket, Key="in/empty.jpg", Body=b"")
    client.put_object(Bucket=bucket, Key="inside.jpg", Body=PHOTO)  # beside the folder, and not in it
    output = str(tmp_path / "scored")
    job = ScoreJob("models:/colours/1", Source(f"s3a://{bucket}/in/"), Sink(output), max_error_rate=0.5)
    done = run(spark, Registry(), job, lambda line: None)
    assert done.by_status == {"ok": 3, "empty": 1}
    assert done.left_out == {"hidden": 2, "other_format": 1, "other_suffix": 1}
    client.put_object(Bucket=bucket, Key="in/new.jpg", Body=PHOTO)
    client.delete_object(Bucket=bucket, Key="in/a.jpg")
    again = run(spark, Registry(), job, lambda line: None)
    assert (again.rows, again.rows_before, again.gone) == (5, 4, 1)
    rows = spark.read.parquet(output)
    assert {row.path for row in rows.where("status = 'ok'").collect()} == {
        f"s3://{bucket}/in/{key}" for key in (*photos, "new.jpg")
    }


def test_a_store_that_cannot_be_listed_or_has_no_photo_says_so(
    spark: SparkSession, fixture: Fixture, bucket: str, tmp_path: Path
) -> None:
    for path, said in (
        (f"s3://{bucket}/nothing", "There is no photo in 's3://"),
        ("s3://no-such-bucket-here/x", "cannot be listed .* credentials come from the environment"),
    ):
        job = ScoreJob("models:/colours/1", Source(path), Sink(str(tmp_path / "scored")))
        with pytest.raises(InputError, match=said):
            run(spark, Registry(), job, lambda line: None)
    job = ScoreJob("models:/colours/1", Source(f"s3://{bucket}/x"), Sink(str(tmp_path / "orc"), "orc"))
    with pytest.raises(InputError, match=r"Spark has no jars for .* into Parquet or Delta"):
        run(spark, Registry(), job, lambda line: None)
