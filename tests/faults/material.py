"""What jobs of the fault suite score: some dozen tiny photos, in files and in a table, and what they must answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlruns_fixture import PLAIN
from mlruns_fixture.photos import ODD

PHOTOS = "photos"
TABLE = "table"
# A chunk is about so many photos.
PER_CHUNK = 4
_PHOTO_BYTES = sum(map(len, PLAIN.values())) // len(PLAIN)
# Of so many bytes of photos does Spark make one task; of paths the job gives it four times that.
_CHUNK_BYTES = {PHOTOS: _PHOTO_BYTES, TABLE: PER_CHUNK * _PHOTO_BYTES}


@dataclass(frozen=True, slots=True)
class Input:
    """One input; `identity` is the column that tells its rows apart, `count` how many there are."""

    kind: str
    path: Path
    format: str
    keep: tuple[str, ...]
    identity: str
    count: int

    @property
    def small_chunks(self) -> dict[str, str]:
        """Settings with which it is cut into many chunks, small as it is."""
        return {
            "spark.sql.files.maxPartitionBytes": str(_CHUNK_BYTES[self.kind]),
            "spark.sql.files.openCostInBytes": "0",
        }


def make(folder: Path, count: int) -> Mapping[str, Input]:
    """Both inputs, of `count` rows each, by kind."""
    contents = [*PLAIN.values(), *(content for content, _ in ODD.values())]
    photos = [contents[i % len(contents)] for i in range(count)]
    return {
        PHOTOS: Input(PHOTOS, _files(folder / PHOTOS, photos), "images", ("path",), "path", count),
        TABLE: Input(TABLE, _table(folder / TABLE, photos), "parquet", ("row", "key"), "row", count),
    }


def _files(folder: Path, photos: list[bytes]) -> Path:
    folder.mkdir(parents=True)
    for i, content in enumerate(photos):
        (folder / f"{i:05}.jpg").write_bytes(content)
    return folder


def _table(folder: Path, photos: list[bytes]) -> Path:
    """Two files of several splits; keys repeat or are null, `row` tells rows apart, one content in seven is null."""
    folder.mkdir(parents=True)
    half = (len(photos) + 1) // 2
    for name, start in (("one", 0), ("two", half)):
        numbers = range(start, min(start + half, len(photos)))
        columns = {
            "row": list(numbers),
            "key": [None if i % 3 == 0 else f"key {i % 5}" for i in numbers],
            "content": [None if i % 7 == 0 else photos[i] for i in numbers],
        }
        pq.write_table(pa.table(columns), folder / f"{name}.parquet", row_group_size=PER_CHUNK)
    return folder


def answers(rows: pa.Table, identity: str) -> dict[Any, str]:
    """What each row says, without what differs from command to command, by what tells it apart."""
    said = rows.select([name for name in rows.column_names if name not in ("scoring_run_id", "scored_at")])
    return {row[identity]: json.dumps(row, sort_keys=True, default=str) for row in said.to_pylist()}
