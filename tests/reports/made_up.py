"""Outputs of scoring jobs as they lie in a folder, made up without Spark: as many rows as one likes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

RUN = "f" * 32
JOB = "0a1b2c3d"
BEGAN = 1_700_000_000.0
LABELS = ("espresso", "tabby cat", "beach wagon", "fig", "daisy")


@dataclass(frozen=True)
class Row:
    key: str
    label: str | None = "espresso"
    score: float | None = 0.9
    status: str = "ok"
    error: str | None = None


def photos(folder: Path, names: Sequence[str]) -> list[Path]:
    """One for each name, each of a colour of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        colour = tuple(int(c) for c in np.random.default_rng(i).integers(0, 255, 3))
        Image.new("RGB", (320, 200), colour).save(folder / name, "JPEG")
    return [folder / name for name in names]


def output(
    folder: Path,
    taken_from: Path,
    chunks: Sequence[Sequence[Row]],
    run_id: str = RUN,
    took_s: float = 10.0,
    **record: Any,
) -> Path:
    """An output that is at `chunks`, each of which took so long, two at a time."""
    (folder / "_stagewright" / "runs").mkdir(parents=True)
    for number, rows in enumerate(chunks):
        add_chunk(folder, number, rows, run_id, took_s)
    said = {
        **_RECORD,
        "source": {"path": str(taken_from), "format": "images", "follow_links": False},
        **record,
    }
    (folder / "_stagewright" / "job.json").write_text(json.dumps(said))
    run = {"run_id": run_id, "since": "2023-11-14T22:13:15+00:00", "ended": "2023-11-14T23:00:00+00:00"}
    (folder / "_stagewright" / "runs" / f"{run_id}.json").write_text(json.dumps(run))
    return folder


_RECORD: dict[str, Any] = {
    "job": JOB,
    "requested": "models:/flowers/Production",
    "model_name": "flowers",
    "model_version": 3,
    "digest": "cd" * 32,
    "output_format": "parquet",
    "options": {"precision": None, "top_k": 5, "max_pixels": None, "keep": ["path"]},
    "started_at": "2023-11-14T22:13:15+00:00",
    "format": 1,
}


def add_chunk(
    folder: Path, number: int, rows: Sequence[Row], run_id: str = RUN, took_s: float = 10.0
) -> None:
    statuses = [row.status for row in rows]
    began = BEGAN + took_s * (number // 2)
    said = {
        "run_id": run_id,
        "rows": len(rows),
        "by_status": {status: statuses.count(status) for status in statuses},
        "began": began,
        "ended": began + took_s,
        "writing_s": took_s / 20,
    }
    table = _table(rows).replace_schema_metadata({b"stagewright": json.dumps(said).encode()})
    pq.write_table(table, folder / f"part-0001-{number:06d}-{JOB}.parquet")


def _table(rows: Sequence[Row]) -> pa.Table:
    bad = pa.array([row.status != "ok" for row in rows])
    label = pa.array([row.label for row in rows], pa.string())
    score = pa.array([row.score for row in rows], pa.float32())
    return pa.table(
        {
            "path": [row.key for row in rows],
            "prediction": pa.StructArray.from_arrays([label, score], names=["label", "score"], mask=bad),
            "status": [row.status for row in rows],
            "error": pa.array([row.error for row in rows], pa.string()),
            "model_name": ["flowers"] * len(rows),
        }
    )
