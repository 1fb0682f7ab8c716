"""`python -m benchmarks.scale`: time and memory of a job as the rows grow, with tiny photos and a tiny model.

What is left when decoding and inference cost next to nothing is what stagewright, MLflow and Spark cost for each row.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from . import machine, photos, scale_report
from .catalogue import Contender
from .networks import NETWORKS
from .photos import PhotoSet
from .preparation import Bench, prepare
from .processes import Sample, watch
from .run import DOCUMENTS, quieten_mlflow, say
from .scale_report import Scaled

ROWS = (10_000, 100_000, 1_000_000)
DIFFERENT_PHOTOS = 1000
ROWS_PER_FILE = 50_000
ROWS_PER_GROUP = 10_000
# A run of hours would fill the JSON with samples that say the same.
MOST_SAMPLES = 120
CONTENDER = Contender("stagewright-f32", "stagewright")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each number of rows once, and write JSON, Markdown and a plot; returns the exit code."""
    options = _parser().parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    quieten_mlflow()
    with tempfile.TemporaryDirectory(prefix="stagewright-bench-") as scratch:
        scaled = measure(sorted(options.rows), Path(scratch), options.cores)
    document = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": options.cores,
        "machine": machine.describe(),
        "versions": machine.versions(),
        "jobs": [asdict(one) for one in scaled],
    }
    (options.output / scale_report.JSON).write_text(json.dumps(document, indent=1) + "\n")
    for file in scale_report.write(options.output, scaled, document):
        say(f"wrote {file}")
    return 0


def measure(rows: Sequence[int], scratch: Path, cores: int) -> list[Scaled]:
    """One job after the other, each in a process of its own."""
    contents = photos.make_tiny(DIFFERENT_PHOTOS)
    bench = Bench(NETWORKS["colours"], _files(contents, scratch / "photos"), scratch / "bench", cores)
    prepare(bench, {CONTENDER.precision})
    scaled = []
    for count in rows:
        table = _write_table(contents, count, scratch / "table")
        scaled.append(_score(bench, table, count))
        say(
            f"{count:>12,} rows in {scaled[-1].seconds:,.1f} s, {scaled[-1].microseconds_per_row:,.0f} µs a row"
        )
        shutil.rmtree(table)
    return scaled


def _score(bench: Bench, table: Path, rows: int) -> Scaled:
    output, work = bench.folder / "output", bench.folder / "workload.json"
    shutil.rmtree(output, ignore_errors=True)
    bench.table_workload(CONTENDER, table, output).write(work)
    watched = watch(["-m", "benchmarks.contenders", CONTENDER.module, str(work)], bench.folder / "log.txt")
    found = ds.dataset([str(file) for file in output.rglob("*.parquet")]).count_rows()
    if found != rows:
        raise ValueError(f"{found} rows came out for {rows}.")
    size = sum(file.stat().st_size for file in table.iterdir()) / 1e6
    return Scaled(rows, watched.seconds, watched.cpu_s, size, watched.peak(), _thinned(watched.samples))


def _thinned(samples: list[Sample]) -> list[Sample]:
    """At most MOST_SAMPLES of them, each the highest of its stretch."""
    stretch = -(-len(samples) // MOST_SAMPLES) or 1
    return [
        max(samples[start : start + stretch], key=lambda sample: sample.total)
        for start in range(0, len(samples), stretch)
    ]


def _write_table(contents: list[bytes], rows: int, into: Path) -> Path:
    """Parquet of `path` and `content`, stored as they are: dictionaries would keep each repeated photo once."""
    into.mkdir(parents=True)
    for start in range(0, rows, ROWS_PER_FILE):
        numbers = range(start, min(start + ROWS_PER_FILE, rows))
        table = pa.table(
            {
                "path": [f"{number:09d}" for number in numbers],
                "content": pa.array([contents[number % len(contents)] for number in numbers], pa.binary()),
            }
        )
        pq.write_table(
            table,
            into / f"{start:09d}.parquet",
            row_group_size=ROWS_PER_GROUP,
            use_dictionary=False,
            compression="none",
        )
    return into


def _files(contents: list[bytes], into: Path) -> PhotoSet:
    into.mkdir(parents=True)
    files = [into / f"{number:05d}.jpg" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    return PhotoSet(tuple(files), "drawn by code")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS), metavar="N")
    parser.add_argument("--cores", type=int, default=2, metavar="N")
    parser.add_argument("--output", type=Path, default=DOCUMENTS, metavar="DIR")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
