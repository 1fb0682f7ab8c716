"""What the chunks of an output hold, added up; told by tasks as they go, or read from what is there."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow.parquet as pq

from .notes import readable
from .stores import Store
from .writer import FOOTER

# Footers that are read beside one another: from an object store each takes some 20 ms.
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows in all and by status."""

    rows: int = 0
    by_status: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.rows + other.rows, dict(Counter(self.by_status) + Counter(other.by_status)))

    @property
    def bad(self) -> int:
        """Rows without a prediction."""
        return self.rows - self.by_status.get("ok", 0)


def counts(said: Iterable[Mapping[str, Any]]) -> Counts:
    """Of chunks, by what they say of themselves."""
    rows, by_status = 0, Counter[str]()
    for each in said:
        rows += each["rows"]
        by_status.update(each["by_status"])
    return Counts(rows, dict(by_status))


def said_by(store: Store, names: Iterable[str]) -> list[dict[str, Any]]:
    """What files of chunks say in their footers."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda name: _said(store, name), names))


def _said(store: Store, name: str) -> dict[str, Any]:
    with readable(store, name), store.open(name) as file:
        metadata = pq.read_metadata(file).metadata or {}
    said: dict[str, Any] = json.loads(metadata.get(FOOTER, b'{"rows": 0, "by_status": {}}'))
    return said
