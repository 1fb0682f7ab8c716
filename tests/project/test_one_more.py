"""One more gate, command, source or sink is one new file and one line that names it.

For formats, resamplings, engines and kinds see tests/pyfunc_models/test_one_file_for_one_more.py.
"""

import shutil
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import ScoreJob, ScoreOptions, Sink, Source, run
from jobs.scoring import sinks, sources
from jobs.scoring.sinks.sink import Writer
from jobs.scoring.sources.source import Reader, Rows
from mlruns_fixture import PLAIN
from mlruns_fixture.build import Fixture, build
from tests.clusters import run_command

ROOT = Path(__file__).parents[2]
GATE = '''
"""A version whose number is lucky."""

from collections.abc import Iterator
from dataclasses import dataclass

from registry.gates.gate import Finding, Gate
from registry.toml_tables import Table
from registry.versions import ModelVersion


@dataclass(frozen=True)
class Lucky:
    name: str = "lucky"
    wanted: str = "an odd number"

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        return Finding(candidate.number % 2 == 1, str(candidate.number))


def read(table: Table) -> Iterator[Gate]:
    if table.flag("lucky"):
        yield Lucky()
'''
JUDGE = """
from datetime import UTC, datetime
from registry import Gates, ModelVersion, Stage
judge = Gates.load("gates.toml").of("Production")
for number in (3, 4):
    [verdict] = judge.judge(ModelVersion("m", number, Stage.NONE, "READY", datetime.now(UTC), None, ""), None)
    print(verdict.gate, verdict.passed, verdict.found)
"""
COMMAND = '''
"""A command that greets."""

import click

from .shared import answer


@click.command()
@click.argument("name")
def greet(name: str) -> None:
    """Greet NAME."""
    answer(None, [f"Good day, {name}."], as_json=False)


COMMANDS = (greet,)
'''


def with_one_more(folder: Path, file: str, content: str, line: tuple[str, str]) -> None:
    """A copy of the file's package in `folder`, with this file in it and one line put before another."""
    package = Path(file).parts[0]
    shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / file).write_text(content)
    (before, added) = line
    listing = next(path for path in (folder / file).parent.glob("*.py") if f"\n{before}" in path.read_text())
    listing.write_text(listing.read_text().replace(f"\n{before}", f"\n{added}\n{before}", 1))


def python(folder: Path, *arguments: str) -> str:
    done = run_command([sys.executable, *arguments], env={"PYTHONPATH": str(folder)}, cwd=folder)
    return done.check().stdout


def test_a_gate(tmp_path: Path) -> None:
    line = ('    "metrics",', '    "lucky",')
    with_one_more(tmp_path, "registry/gates/lucky.py", GATE, line)
    (tmp_path / "gates.toml").write_text("[Production]\nlucky = true\n")
    assert python(tmp_path, "-c", JUDGE) == "lucky True 3\nlucky False 4\n"


def test_a_command(tmp_path: Path) -> None:
    line = ('    "registering",', '    "greeting",')
    with_one_more(tmp_path, "jobs/cli/greeting.py", COMMAND, line)
    script = "import sys; from jobs.cli import main; sys.exit(main(sys.argv[1:]))"
    assert python(tmp_path, "-c", script, "greet", "Ada") == "Good day, Ada.\n"
    assert "Greet NAME." in python(tmp_path, "-c", script, "--help")


def test_a_source_and_a_sink(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fixture: Fixture = build(tmp_path / "registry")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", fixture.uri)
    photos = [(name, bytearray(content)) for name, content in PLAIN.items()]
    kept: list[tuple[str, str]] = []
    schema = "path string, content binary"
    reader = Reader(("drawn",), lambda spark, source: Rows(spark.createDataFrame(photos, schema)))
    writer = Writer(
        ("list",),
        check=lambda spark, sink: None,
        write=lambda frame, sink: kept.extend((row.path, row.prediction.label) for row in frame.collect()),
    )
    monkeypatch.setattr(sources, "READERS", (reader, *sources.READERS))
    monkeypatch.setattr(sinks, "WRITERS", (writer, *sinks.WRITERS))
    job = ScoreJob(
        "models:/colours/Production", Source("anything", "drawn"), Sink("nowhere", "list"), ScoreOptions()
    )
    from registry import Registry

    report = run(spark, Registry(), job, lambda line: None)
    assert report.rows == len(PLAIN)
    assert sorted(kept) == sorted((name, name.partition("-")[0]) for name in PLAIN)
