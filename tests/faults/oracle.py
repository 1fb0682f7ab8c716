"""What must hold of an output whatever happened while it was made."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from tests.faults.material import Input, answers

PRIVATE = "_stagewright"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many of each there are; all of it should be nothing. `notes` says more of what is not."""

    lost: int = 0
    twice: int = 0
    mixed: int = 0
    partial: int = 0
    wrong: int = 0
    unfinished: int = 0
    running: int = 0
    left: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def holds(self) -> bool:
        return not any(getattr(self, each.name) for each in fields(self) if each.name != "notes")

    def check(self) -> None:
        """Raises AssertionError with what does not hold."""
        assert self.holds, self


@dataclass(frozen=True, slots=True)
class Expected:
    """What a job without faults answers to `input`; and what readers saw that they should not, and what still runs."""

    input: Input
    answers: Mapping[Any, str]
    seen_wrong: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    running: tuple[str, ...] = ()


def judge(output: Path, output_format: str, expected: Expected) -> Verdict:
    """Of an output whose last command ended well."""
    rows = read(output, output_format)
    identities = Counter(rows[expected.input.identity].to_pylist())
    found = answers(rows, expected.input.identity)
    unfinished = [file.name for file in (output / PRIVATE / "unfinished").glob("*")]
    wrong = [str(key) for key, said in expected.answers.items() if found.get(key, said) != said]
    wrong += [str(key) for key in found.keys() - expected.answers.keys()]
    wrong += _said_otherwise(output, Counter(rows["status"].to_pylist()))
    return Verdict(
        lost=len(expected.answers.keys() - identities.keys()),
        twice=sum(count - 1 for count in identities.values()),
        mixed=_kinds(rows) - 1 + _jobs(output) - 1,
        partial=len(expected.seen_wrong),
        wrong=len(wrong),
        unfinished=len(unfinished),
        running=len(expected.running),
        left=len(expected.left),
        notes=(
            *wrong[:3],
            *expected.seen_wrong[:3],
            *unfinished[:3],
            *expected.running[:3],
            *expected.left[:3],
        ),
    )


def read(output: Path, output_format: str) -> pa.Table:
    """All rows, as readers see them."""
    if output_format == "delta":
        return DeltaTable(str(output)).to_pyarrow_table()
    return pa.concat_tables(pq.read_table(file) for file in sorted(output.glob("*.parquet")))


def _kinds(rows: pa.Table) -> int:
    """How many versions the rows are of; a row without status is of none of them."""
    columns = ("model_name", "model_version", "model_digest")
    versions = set(zip(*(rows[name].to_pylist() for name in columns), strict=True))
    return len(versions) + rows["status"].null_count


def _jobs(output: Path) -> int:
    return len({file.stem.rpartition("-")[2] for file in output.glob("*.parquet")})


def _said_otherwise(output: Path, there: Counter[str]) -> list[str]:
    """Where the output's own record says other rows than there are."""
    last = max((output / PRIVATE).glob("finished-*.json"), default=None)
    said = json.loads(last.read_text()) if last else {"rows": 0, "by_status": {}}
    if (said["rows"], said["by_status"]) == (there.total(), dict(there)):
        return []
    return [
        f"{last and last.name} says {said['rows']} rows, {said['by_status']}, and there are {dict(there)}"
    ]
