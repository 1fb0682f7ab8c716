"""Photos and labels of the contenders that have no framework to read and write for them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..workload import Workload


def batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Runs of `size` items; the last may be shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def write_labels(workload: Workload, paths: Sequence[Path], labels: Sequence[int | str]) -> None:
    """Parquet, as the distributed contenders write it themselves."""
    Path(workload.output).mkdir(parents=True)
    table = pa.table({"path": [str(path) for path in paths], "label": list(labels)})
    pq.write_table(table, Path(workload.output) / "labels.parquet")
