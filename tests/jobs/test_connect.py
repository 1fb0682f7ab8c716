"""Jobs on a real Spark Connect server in a process of its own, by the commands as users run them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from jobs.cli import main
from mlruns_fixture import LABELS, ODD, PLAIN
from mlruns_fixture.build import Fixture
from tests.clusters import ConnectServer, free_port, run_python

LOOSE = ["--max-error-rate", "1", "--json"]
VERSION = "models:/colours/Production"
PHOTOS = PLAIN | {name: content for name, (content, _) in ODD.items()}
COLUMNS = ["path", "prediction", "status", "error", "model_version", "model_digest"]
# Several commands in one Python, which costs seconds to start; and what they must not do is to start a JVM.
COMMANDS = """
    import contextlib, io, json, os, sys
    from pathlib import Path

    import jobs
    from jobs.cli import main
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    found = []
    for command in json.loads(Path(sys.argv[1]).read_text()):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(command)
        found.append({"code": code, "out": out.getvalue(), "err": err.getvalue()})
    Path(sys.argv[2]).write_text(json.dumps(found))
"""
NO_JVM = """
    assert SparkContext._gateway is None, "a JVM was started"
"""
# The server and a table follow; that no server answered the last command must not matter.
BY_VARIABLE = """
    os.environ["SPARK_REMOTE"] = sys.argv[3]
    assert main(["score", "models:/colours/1", "--input", sys.argv[4], "--input-format", "parquet",
                 "--output", sys.argv[5], "--max-error-rate", "1"]) == 0
    spark = SparkSession.builder.getOrCreate()
    assert "connect" in type(spark).__module__
    assert jobs.open_session() is spark
    assert main(["doctor", "models:/colours/1"]) == main(["doctor"]) == 0
    rows = jobs.score(spark.read.parquet(sys.argv[4]), "models:/colours/Production").collect()
    print(sum(row["status"] == "ok" for row in rows))
"""


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


def commands(folder: Path, *asked: list[str], then: str = "", given: Sequence[str] = ()) -> list[Said]:
    """What commands do, one after the other in a Python of their own, and after them a script.

    What the script prints is the last that was said.
    """
    written, said = folder / "commands.json", folder / "said.json"
    written.write_text(json.dumps(asked))
    done = run_python(COMMANDS + then + NO_JVM, args=[str(written), str(said), *given]).check()
    found = [Said(**each) for each in json.loads(said.read_text())]
    return [*found, Said(0, done.stdout, done.stderr)] if then else found


def near(capsys: pytest.CaptureFixture[str], command: list[str]) -> Any:
    """What a command answers with the tests' own Spark."""
    capsys.readouterr()
    assert main(command) == 0
    return json.loads(capsys.readouterr().out)


def rows(output: Path) -> list[dict[str, Any]]:
    """An output's rows by their photos' names; what differs from job to job is left out."""
    found = pq.read_table(output, columns=COLUMNS).to_pylist()
    named = [{**row, "path": Path(row["path"]).name} for row in found]
    return sorted(named, key=lambda row: row["path"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConnectServer]:
    with ConnectServer(tmp_path_factory.mktemp("connect")) as server:
        yield server


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Photos as bytes, one of them null."""
    file = tmp_path / "table" / "photos.parquet"
    file.parent.mkdir()
    pq.write_table(pa.table({"path": [*PHOTOS, "null"], "content": [*PHOTOS.values(), None]}), file)
    return file.parent


def test_jobs_on_a_server_answer_as_those_with_a_jvm_of_their_own(
    server: ConnectServer,
    fixture: Fixture,
    table: Path,
    tmp_path: Path,
    spark: SparkSession,
    capsys: pytest.CaptureFixture[str],
) -> None:
    score, parquet = ["score", VERSION, *LOOSE], ["--input", str(table), "--input-format", "parquet"]
    remote = ["--remote", server.url]

    def asked(place: str) -> list[list[str]]:
        labels, photos, out = labelled(tmp_path), str(fixture.photos), tmp_path / place
        return [
            [*score, "--input", photos, "--output", f"{out}/folder"],
            [*score, *parquet, "--output", f"{out}/bytes"],
            ["evaluate", VERSION, "--images", photos, "--labels", labels, "--json"],
            [
                "compare",
                VERSION,
                "models:/colours/Staging",
                "--input",
                photos,
                "--output",
                f"{out}/both",
                *LOOSE,
            ],
        ]

    far = commands(
        tmp_path,
        *([*command, *remote, "--conf", "spark.sql.session.timeZone=UTC"] for command in asked("far")),
        [*score, *parquet, "--output", str(tmp_path / "far/bytes"), *remote],
        [*score, *parquet, "--output", str(tmp_path / "odd"), "--output-format", "nosuchformat", *remote],
        [*score, "--input", f"{fixture.photos}/nowhere", "--output", str(tmp_path / "odd"), *remote],
        ["doctor", VERSION, "--json", *remote],
    )
    here = [near(capsys, command) for command in asked("here")]

    for name in ("folder", "bytes"):
        assert rows(tmp_path / "far" / name) == rows(tmp_path / "here" / name)
    assert {row["path"] for row in rows(tmp_path / "far" / "folder")} == set(PHOTOS)
    check_documents([each.document for each in far[:4]], here)
    check_refusals(far[4:7])
    assert "in one go" in far[0].err
    tried = {finding["subject"]: finding["found"] for finding in far[7].document}
    assert "answers its 11 golden photos" in tried["f32"]
    assert not (tmp_path / "odd").exists()
    assert not [each for each in far if "Traceback" in each.err]


def labelled(folder: Path) -> str:
    """A CSV file of the plain photos' classes."""
    labels = folder / "labels.csv"
    truth = {name: LABELS.index(name.partition("-")[0]) for name in PLAIN}
    labels.write_text("file,class_index\n" + "".join(f"{name},{index}\n" for name, index in truth.items()))
    return str(labels)


def check_documents(far: list[Any], here: list[Any]) -> None:
    """Of two jobs, an evaluation and a comparison."""
    for found, known in zip(far[:2], here[:2], strict=True):
        for name in ("rows", "by_status", "model_version", "model_digest", "error_rate"):
            assert found[name] == known[name]
        assert mlflow.get_run(found["scoring_run_id"]).info.status == "FINISHED"
    assert far[2]["metrics"]["top1"] == here[2]["metrics"]["top1"]
    assert far[2]["dataset_digest"] == here[2]["dataset_digest"]
    assert far[3]["metrics"] == here[3]["metrics"]


def check_refusals(said: list[Said]) -> None:
    """Of an output that is there, a format that nobody knows, and an input that is not there."""
    assert [each.code for each in said] == [2, 2, 2]
    assert "There is something at" in said[0].err
    assert "cannot write predictions as 'nosuchformat'" in said[1].err
    assert "There is nothing at" in said[2].err


def test_what_needs_a_classic_session_is_refused_before_anything_is_written_and_then_the_variable_is_heard_of(
    server: ConnectServer, fixture: Fixture, table: Path, tmp_path: Path
) -> None:
    nobody = f"sc://127.0.0.1:{free_port()}/;token=secret"
    score = ["score", VERSION, "--input", str(fixture.photos), "--output", str(tmp_path / "refused")]
    asked = {
        ("--quarantine", str(tmp_path / "bad")): "--quarantine: needs a classic Spark session",
        ("--plan",): "--plan: needs a classic Spark session",
        ("--follow",): "--follow: needs a classic Spark session",
        ("--follow-links",): "--follow-links: needs a classic Spark session",
        ("--input-format", "tar"): "--input-format tar: needs a classic Spark session",
        ("--output", "out"): "The output 'out': on a Spark Connect server paths are the server's",
        ("--input", "photos"): "The input 'photos': on a Spark Connect server paths are the server's",
        ("--master", "local[2]"): "--master 'local[2]' a cluster: name one",
        ("--remote", "local[2]"): "is no address of a Spark Connect server: write sc://HOST:PORT",
        (): "The Spark Connect server does not answer",
    }

    *refused, scored = commands(
        tmp_path,
        *([*score, "--remote", nobody, *more] for more in asked),
        then=BY_VARIABLE,
        given=[server.url, str(table), str(tmp_path / "out")],
    )

    for said, line in zip(refused, asked.values(), strict=True):
        assert (said.code, line in said.err, "secret" in said.err) == (2, True, False), said.err
        assert "Traceback" not in said.err
    assert not (tmp_path / "refused").exists()
    found = mlflow.search_runs(
        search_all_experiments=True, filter_string="tags.`stagewright.job` = 'scoring'"
    )
    assert len(found) == 1, "only that of the job that was not refused"
    assert "answers its 11 golden photos" in scored.out
    assert f"SPARK_REMOTE={server.url!r} answers, with Spark" in scored.out
    assert int(scored.out.split()[-1]) == sum(row["status"] == "ok" for row in rows(tmp_path / "out"))


def test_what_a_server_takes_is_asked_for_in_one_line(tmp_path: Path, fixture: Fixture) -> None:
    script = """
        import sys
        sys.modules["grpc"] = None
        from jobs.cli import main
        sys.exit(main(["score", "models:/colours/1", "--input", "/photos", "--output", "/out", "--remote", "sc://host"]))
    """
    said = run_python(script)
    assert said.returncode == 2
    assert "pip install 'stagewright[connect]'" in said.stderr
    assert "Traceback" not in said.stderr
