"""The short form of the benchmark of addresses: a real server, few photos, no job."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from obstore.store import S3Store

from benchmarks import addresses, photos


def test_the_store_has_the_photos_that_the_table_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = photos.make(2, tmp_path / "made")
    with addresses.server(latency_s=0.0) as (address, process):
        for name, value in {
            **addresses.ENVIRONMENT,
            "AWS_ENDPOINT_URL": address,
            "AWS_ALLOW_HTTP": "true",
        }.items():
            monkeypatch.setenv(name, value)
        table = addresses.upload(taken, 3, tmp_path)

        named = pq.read_table(table)["path"].to_pylist()
        assert [name.rpartition("/")[0] for name in named] == [f"s3://{addresses.BUCKET}/3"] * 3
        store = S3Store(addresses.BUCKET, client_options={"allow_http": True})
        found = [bytes(store.get(name.removeprefix(f"s3://{addresses.BUCKET}/")).bytes()) for name in named]
        assert found == [taken.files[number % 2].read_bytes() for number in range(3)]
    assert not process.is_running()


def test_a_ratio_is_the_median_of_pairs() -> None:
    table = addresses.markdown([addresses.Pair(100, each, 1.0) for each in (50, 95, 90)])

    assert "| 100.0 | 95.0 | 0.95 | 1 |" in table
    assert "**0.90**" in table
