"""Readers that look at outputs many times a second while jobs write them, and say what they should not have seen.

By turns one reads each output as pyarrow does (the folder as one dataset, or the Delta table) and as DuckDB does (a
glob of all files below the folder). What was seen must stay: each file always has the rows that it had when it was seen
first and has in the end, no row is there twice, and no file goes away.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clusters import LeashedProcess
from tests.faults.host import ROOT

EVERY_S = 0.05


class Readers:
    """A process that watches each folder below `outputs` every so many seconds; `seen` tells what it saw of one."""

    def __init__(
        self, outputs: Path, folder: Path, environment: Mapping[str, str], every_s: float = EVERY_S
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        outputs.mkdir(parents=True, exist_ok=True)
        self._said = folder
        command = [sys.executable, "-m", "tests.faults.readers", str(outputs), str(folder), str(every_s)]
        self.process = LeashedProcess(command, folder / "readers.log", environment, ROOT)

    def seen(self, output: Path) -> "Seen":
        """After at least one more look at it, which is given time."""
        last = Seen(**self._read(output)).snapshots
        found = Seen()
        self.process.wait_until(
            lambda: Seen(**self._read(output)).snapshots >= last + 2, f"readers of {output.name}"
        )
        found = Seen(**self._read(output))
        return found

    def end(self) -> None:
        self.process.end()

    def _read(self, output: Path) -> dict[str, Any]:
        try:
            said: dict[str, Any] = json.loads((self._said / f"{output.name}.json").read_text())
            return said
        except FileNotFoundError:
            return {}


@dataclass
class Seen:
    """How often an output was read, by whom, and what was wrong: file by file of each snapshot."""

    snapshots: int = 0
    by_reader: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


@dataclass
class _Watched:
    seen: Seen = field(default_factory=Seen)
    files: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)


def watch(outputs: Path, said: Path, every_s: float) -> None:
    """Until this process ends."""
    readers: dict[str, Callable[[Path], dict[str, list[Any]]]] = {"pyarrow": _pyarrow, "duckdb": _duckdb}
    watched: dict[str, _Watched] = {}
    turn = 0
    while True:
        started = time.monotonic()
        for output in sorted(outputs.iterdir()):
            name = list(readers)[turn % len(readers)]
            of = watched.setdefault(output.name, _Watched())
            _look(output, name, readers[name], of)
            new = said / f"{output.name}.new"
            new.write_text(json.dumps(of.seen.__dict__))
            new.rename(new.with_suffix(".json"))
        for gone in watched.keys() - {output.name for output in outputs.iterdir()}:
            del watched[gone]
        turn += 1
        time.sleep(max(0.0, every_s - (time.monotonic() - started)))


def _look(output: Path, name: str, read: Callable[[Path], dict[str, list[Any]]], of: _Watched) -> None:
    job = _job(output)
    try:
        found = read(output)
    except Exception as error:
        if output.exists() and (output / "_stagewright").exists() and job == _job(output):
            of.seen.wrong.append(f"{name} could not read it: {type(error).__name__}: {error}"[:300])
            of.seen.snapshots += 1
        return
    if job != _job(output):
        return  # another one took its place meanwhile, which is not seen by who has begun to read
    of.seen.snapshots += 1
    of.seen.by_reader[name] = of.seen.by_reader.get(name, 0) + 1
    of.seen.wrong += [f"{name}: {line}" for line in _wrong(found, of.files.setdefault((name, job), {}))]


def _job(output: Path) -> str:
    """Which job's output it is at this moment."""
    try:
        said: str = json.loads((output / "_stagewright" / "job.json").read_text())["job"]
        return said
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _wrong(found: dict[str, list[Any]], known: dict[str, int]) -> list[str]:
    """What one snapshot has that it should not, beside those before; `found`: file -> identities of its rows."""
    wrong = [f"{file} went away" for file in known.keys() - found.keys()]
    wrong += [
        f"{file} had {known[file]} rows and has {len(rows)}"
        for file, rows in found.items()
        if known.get(file, len(rows)) != len(rows)
    ]
    rows = [row for each in found.values() for row in each]
    if len(rows) != len(set(rows)):
        wrong.append(f"{len(rows) - len(set(rows))} rows are there twice")
    known.update({file: len(rows) for file, rows in found.items()})
    return wrong


def _pyarrow(output: Path) -> dict[str, list[Any]]:
    import pyarrow.dataset as ds
    from deltalake import DeltaTable

    if (output / "_delta_log").exists() and DeltaTable.is_deltatable(str(output)):
        names = [Path(uri).name for uri in DeltaTable(str(output)).file_uris()]
        parts = [ds.dataset(str(output / name), format="parquet") for name in names]
        return {name: _identities(part.to_table()) for name, part in zip(names, parts, strict=True)}
    # As a dataset is read: its files are listed first, then read, whatever comes meanwhile.
    folder = ds.dataset(str(output), format="parquet")
    return {
        Path(part.path).name: _identities(part.to_table(schema=folder.schema))
        for part in folder.get_fragments()
        if part.path.endswith(".parquet")
    }


def _identities(table: Any) -> list[Any]:
    return list(table.column(0).to_pylist())


def _duckdb(output: Path) -> dict[str, list[Any]]:
    import duckdb

    if not any(output.glob("*.parquet")):
        return {}
    with duckdb.connect() as connection:
        read = f"read_parquet('{output}/**/*.parquet', filename=true)"
        first = connection.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()[0][0]
        rows = connection.execute(f'SELECT filename, "{first}" FROM {read}').fetchall()
    found: dict[str, list[Any]] = {}
    for name, identity in rows:
        found.setdefault(Path(name).name, []).append(identity)
    return found


if __name__ == "__main__":
    watch(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
