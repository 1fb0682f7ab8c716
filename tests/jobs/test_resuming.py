"""An output that can be come back to: what is done stays, what is not done is scored, and readers see whole chunks."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from jobs import ErrorBudgetExceeded, InputError, ScoreJob, ScoreOptions, Sink, Source, run
from jobs.errors import OutputBusy
from jobs.scoring.batch import check
from jobs.scoring.place import owner, swapping, watching, work
from jobs.scoring.place.delta import Commits
from jobs.scoring.place.stores import Folder
from jobs.scoring.place.writer import CHUNK, Target, writer
from jobs.scoring.report import ScoreReport
from jobs.spark.settings import set_for_now
from mlruns_fixture import PLAIN
from mlruns_fixture.build import Fixture
from registry import Registry, RegistryUnreachable, RunStatus

PHOTO = PLAIN["red-64x48.jpg"]
Score = Callable[..., ScoreReport]


@pytest.fixture
def score(spark: SparkSession, fixture: Fixture, tmp_path: Path) -> Score:
    """Scores what is at `tmp_path / "in"`; `said` gets what it says."""

    def score(**given: Any) -> ScoreReport:
        source = given.pop("source", Source(str(tmp_path / "in")))
        model = given.pop("model", "models:/colours/Production")
        said = given.pop("said", [])
        sink = Sink(str(given.pop("output", tmp_path / "out")), given.pop("format", "parquet"))
        return run(spark, Registry(), ScoreJob(model, source, sink, **given), said.append)

    return score


@pytest.fixture
def small_chunks(spark: SparkSession) -> Iterator[None]:
    """Of four photos each."""
    with set_for_now(spark, of_bytes(len(PHOTO))):
        yield


@pytest.fixture
def small_splits(spark: SparkSession) -> Iterator[None]:
    """Of a few rows each."""
    with set_for_now(spark, of_bytes(6_000)):
        yield


def of_bytes(count: int) -> dict[str, str]:
    return {"spark.sql.files.maxPartitionBytes": str(count), "spark.sql.files.openCostInBytes": "0"}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    add_photos(folder, range(12))
    return folder


def add_photos(folder: Path, numbers: range) -> None:
    for i in numbers:
        (folder / f"{i:03}.jpg").write_bytes(PHOTO)


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "out").glob("*.parquet"))


def rows(tmp_path: Path, column: str = "path") -> Counter[Any]:
    found = pa.concat_tables(pq.read_table(file, columns=[column]) for file in files(tmp_path))
    return Counter(found[column].to_pylist())


def undo(tmp_path: Path, chunks: int) -> None:
    """As if the command had been killed before so many chunks were there."""
    for file in files(tmp_path)[:chunks]:
        file.unlink()
    for file in (tmp_path / "out" / "_stagewright").glob("finished-*"):
        file.unlink()


# --- photos


@pytest.mark.usefixtures("photos")
def test_the_same_job_again_finds_nothing_new_and_touches_nothing(score: Score, tmp_path: Path) -> None:
    first = score()
    before = {file: file.stat().st_mtime_ns for file in files(tmp_path)}
    said: list[str] = []
    again = score(said=said)
    assert {file: file.stat().st_mtime_ns for file in files(tmp_path)} == before
    assert any("Nothing new" in line for line in said)
    assert (again.rows, again.rows_before, again.by_status) == (12, 12, first.by_status)
    assert again.scoring_run_id == first.scoring_run_id


@pytest.mark.usefixtures("photos", "small_chunks")
def test_what_is_not_done_is_scored_and_the_rest_is_left_alone(score: Score, tmp_path: Path) -> None:
    score()
    chunks = len(files(tmp_path))
    assert chunks >= 4
    undo(tmp_path, 2)
    before = {file: file.stat().st_mtime_ns for file in files(tmp_path)}
    lost = 12 - sum(rows(tmp_path).values())
    again = score()
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert len(files(tmp_path)) == chunks
    assert (again.rows, again.rows_before) == (12, 12 - lost)
    assert set(rows(tmp_path).values()) == {1}


def test_only_what_is_new_in_the_folder_is_scored(score: Score, tmp_path: Path, photos: Path) -> None:
    score()
    add_photos(photos, range(8, 16))
    (photos / "003.jpg").unlink()
    again = score()
    assert (again.rows, again.rows_before, again.gone) == (16, 12, 1)
    assert again.changed == 4  # written anew, some of those that were there
    assert set(rows(tmp_path).values()) == {1}
    assert len(set(rows(tmp_path, "scoring_run_id"))) == 2


def test_readers_learn_of_no_file_but_whole_chunks(score: Score, tmp_path: Path, photos: Path) -> None:
    score()
    below = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.parquet")]
    assert all(len(path.parts) == 1 for path in below)
    assert not list((tmp_path / "out" / "_stagewright" / "unfinished").iterdir())


@pytest.mark.usefixtures("photos", "small_chunks")
def test_what_a_worker_left_that_was_killed_while_it_wrote_is_gone_when_the_job_is_done(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "out" / "_stagewright" / "unfinished" / "left-by-a-killed-worker"
    write = work.write

    def killed_meanwhile(*args: Any) -> Any:
        told = write(*args)
        left.touch()
        return told

    monkeypatch.setattr(work, "write", killed_meanwhile)
    assert score().rows == 12
    assert not left.exists()


def test_a_photo_that_goes_before_it_is_scored_is_a_row_that_says_so(
    score: Score, tmp_path: Path, photos: Path
) -> None:
    score()
    undo(tmp_path, len(files(tmp_path)))
    (photos / "003.jpg").unlink()
    again = score(max_error_rate=1.0)
    assert again.by_status == {"ok": 11, "missing": 1}
    assert again.gone == 1


# --- one output, one version


@pytest.mark.usefixtures("photos", "small_chunks")
def test_a_promotion_changes_nothing_in_a_job_that_has_begun(score: Score, tmp_path: Path) -> None:
    score()
    undo(tmp_path, 2)
    Registry().promote("colours", 2, "Production", because="sharper")
    said: list[str] = []
    assert score(said=said).model_version == 1
    assert any("is version 2 by now" in line for line in said)
    assert set(rows(tmp_path, "model_version")) == {1}
    with pytest.raises(InputError, match=r"version 1 and not 2.*--follow"):
        score()


@pytest.mark.usefixtures("photos")
def test_another_version_option_or_source_is_refused_with_what_differs(score: Score, tmp_path: Path) -> None:
    score()
    with pytest.raises(InputError, match="version 1 and not 2"):
        score(model="models:/colours/2")
    with pytest.raises(InputError, match="--top-k none and not 2"):
        score(options=ScoreOptions(top_k=2))
    with pytest.raises(InputError, match="--keep path and not path length"):
        score(options=ScoreOptions(keep=("path", "length")))
    with pytest.raises(InputError, match=r"--input .*in and not .*elsewhere"):
        score(source=Source(str(tmp_path / "elsewhere")))
    with pytest.raises(InputError, match="--output-format parquet and not delta"):
        score(format="delta")
    assert score(options=ScoreOptions(batch_size=3)).rows == 12  # which changes no answer


@pytest.mark.usefixtures("photos")
def test_following_scores_all_beside_the_old_output_and_takes_its_place(score: Score, tmp_path: Path) -> None:
    score()
    old = files(tmp_path)
    Registry().promote("colours", 2, "Production", because="sharper")
    assert score(follow=True).model_version == 2
    assert set(rows(tmp_path, "model_version")) == {2}
    [kept] = tmp_path.glob("out.version-1-*")
    assert sorted(file.name for file in kept.glob("*.parquet")) == [file.name for file in old]
    assert not (tmp_path / "out.next").exists()
    said: list[str] = []
    score(follow=True, said=said)
    assert any("Nothing new" in line for line in said)


@pytest.mark.usefixtures("photos")
def test_what_was_killed_between_taking_the_place_and_tidying_up_is_tidied_up_later(
    score: Score, tmp_path: Path
) -> None:
    score()
    Registry().promote("colours", 2, "Production", because="sharper")
    score(follow=True)
    [kept] = tmp_path.glob("out.version-1-*")
    kept.rename(tmp_path / "out.next")
    Registry().promote("colours", 1, "Production", because="back")
    assert score(follow=True).model_version == 1
    assert len(list(tmp_path.glob("out.version-*"))) == 2


@pytest.mark.usefixtures("photos")
def test_what_was_scored_aside_and_killed_before_it_took_its_place_takes_it_by_the_next_command(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object) -> None:
        raise RuntimeError("the driver ends before the swap")

    score()
    Registry().promote("colours", 2, "Production", because="sharper")
    with monkeypatch.context() as at_the_end:
        at_the_end.setattr(swapping, "put_in_place", end)
        with pytest.raises(RuntimeError, match="before the swap"):
            score(follow=True)
    made = sorted(file.name for file in (tmp_path / "out.next").glob("*.parquet"))
    assert score(follow=True).rows_before == 12  # none of it is scored again
    assert [file.name for file in files(tmp_path)] == made
    assert [path.name.rpartition("-")[0] for path in tmp_path.glob("out.*")] == ["out.version-1"]


@pytest.mark.usefixtures("photos")
def test_what_was_half_thrown_away_when_its_command_was_killed_is_in_nobodys_way(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score()
    aside = tmp_path / "out.next" / "_stagewright"
    aside.mkdir(parents=True)
    known = json.loads((tmp_path / "out" / "_stagewright" / "job.json").read_text())
    (aside / "job.json").write_text(json.dumps({**known, "job": "another", "model_version": 7}))
    Registry().promote("colours", 2, "Production", because="sharper")

    def end(*_: object, **__: object) -> None:
        (tmp_path / "out.next.thrown" / "_stagewright" / "job.json").unlink()
        raise RuntimeError("the driver ends")

    removed = shutil.rmtree

    def end_in_the_midst(path: Path, **given: Any) -> None:
        removed(path, **given) if given else end()

    with monkeypatch.context() as at_the_end:
        at_the_end.setattr(shutil, "rmtree", end_in_the_midst)
        with pytest.raises(RuntimeError, match="the driver ends"):
            score(follow=True)
    assert score(follow=True).model_version == 2
    assert [path.name.rpartition("-")[0] for path in tmp_path.glob("out.*")] == ["out.version-1"]


def test_a_record_that_cannot_be_read_is_no_output_to_go_on_with(score: Score, tmp_path: Path) -> None:
    record = tmp_path / "out" / "_stagewright" / "job.json"
    record.parent.mkdir(parents=True)
    for content in ("{", '{"format": 1}', "[]", '{"format": 7}'):
        record.write_text(content)
        with pytest.raises(InputError, match=r"[Nn]ame another output"):
            score()


@pytest.mark.usefixtures("photos")
def test_a_command_that_cannot_be_done_leaves_nothing_that_the_next_one_would_have_to_keep_to(
    score: Score, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no column 'absent' to keep"):
        score(options=ScoreOptions(keep=("absent",)))
    assert not (tmp_path / "out").exists()
    assert score().rows == 12


@pytest.mark.usefixtures("photos", "small_chunks")
def test_a_command_that_meant_another_version_than_the_output_was_begun_with_meanwhile_is_told_so(
    spark: SparkSession, score: Score, tmp_path: Path
) -> None:
    job = ScoreJob("models:/colours/Production", Source(str(tmp_path / "in")), Sink(str(tmp_path / "out")))
    slow = check(Registry(), job)
    Registry().promote("colours", 2, "Production", because="sharper")
    score()
    undo(tmp_path, 2)
    with pytest.raises(InputError, match=r"begun .* with models:/colours/2.*Run it again"):
        run(spark, Registry(), job, [].append, slow)
    assert set(rows(tmp_path, "model_version")) == {2}


def test_whoever_comes_second_with_a_chunk_tells_what_the_first_one_made(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []

    def write(status: str) -> None:
        rows = pa.RecordBatch.from_pylist([{"status": status, CHUNK: "one"}] * 2)
        target = Target(Folder(str(tmp_path)), "part-{}.parquet", {"run_id": "run"}, {})
        list(writer(target, told.append)(iter([rows])))

    write("ok")
    write("missing")
    assert [said["by_status"] for said in told] == [{"ok": 2}, {"ok": 2}]
    assert told[0]["bytes"] == told[1]["bytes"] == (tmp_path / "part-one.parquet").stat().st_size


def test_two_jobs_at_once_are_one_that_works_and_one_that_says_who_works(
    score: Score, tmp_path: Path, photos: Path
) -> None:
    with (
        owner.owned(Folder(str(tmp_path / "out"))),
        pytest.raises(OutputBusy, match=r"process \d+\) works on it"),
    ):
        score()
    assert score().rows == 12


@pytest.mark.usefixtures("photos")
def test_what_a_run_has_to_say_is_recorded_later_where_the_registry_is_away_at_the_end(
    score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object) -> None:
        raise RegistryUnreachable("The registry does not answer.", "Try again.")

    with monkeypatch.context() as patched:
        patched.setattr(Registry, "finish_run", away)
        done = score()
    assert done.rows == 12
    assert Registry().run(done.scoring_run_id).status is RunStatus.RUNNING
    score()
    kept = Registry().run(done.scoring_run_id)
    assert (kept.status, kept.metrics["rows"]) == (RunStatus.FINISHED, 12)


def test_the_run_of_a_command_that_was_killed_does_not_stay_running(
    score: Score, tmp_path: Path, photos: Path
) -> None:
    score()
    registry = Registry()
    version = registry.resolve("models:/colours/1")
    run_id = registry.start_run("stagewright-jobs", "score", {}, version)
    left = tmp_path / "out" / "_stagewright" / "runs" / f"{run_id}.json"
    left.write_text(json.dumps({"run_id": run_id, "since": "2026-01-01T00:00:00+00:00"}))
    score()
    assert registry.run(run_id).status is RunStatus.KILLED
    assert "ended" in left.read_text()


@pytest.mark.usefixtures("photos", "small_chunks")
def test_what_somebody_has_written_into_the_record_is_told_of_and_leads_nowhere_else(
    score: Score, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(PHOTO)
    score()
    undo(tmp_path, len(files(tmp_path)))
    plan = tmp_path / "out" / "_stagewright" / "plan-0001.rows"
    rows = pq.read_table(plan)
    for planted in (str(secret), f"{tmp_path}/in/../secret.jpg"):
        column = pa.array([planted.encode()] * rows.num_rows, pa.binary())
        pq.write_table(rows.set_column(rows.column_names.index("content"), "content", column), plan)
        undo(tmp_path, len(files(tmp_path)))
        assert score(max_error_rate=1.0).by_status == {"missing": 12}
    for name in ("finished-0001.json", "plan-0001.rows", "plan-0001.json"):
        (plan.parent / name).write_text('{"some": "thing"}')
        with pytest.raises(InputError, match=f"{name} in .* cannot be read"):
            score()


@pytest.mark.usefixtures("photos")
def test_a_run_whose_command_was_killed_once_the_registry_knew_its_end_keeps_that_end(
    score: Score, tmp_path: Path
) -> None:
    run_id = score().scoring_run_id
    left = tmp_path / "out" / "_stagewright" / "runs" / f"{run_id}.json"
    left.write_text(json.dumps({"run_id": run_id, "since": "2026-01-01T00:00:00+00:00"}))
    score()
    assert Registry().run(run_id).status is RunStatus.FINISHED
    assert "ended" in left.read_text()


@pytest.mark.usefixtures("photos")
def test_a_folder_that_a_command_killed_at_once_left_empty_is_begun_in(score: Score, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert score().rows == 12


# --- tables


@pytest.fixture
def table(tmp_path: Path) -> Source:
    """Two files with several splits each; keys are null or the same in many rows."""
    folder = tmp_path / "in a%20folder {é}"
    folder.mkdir()
    for name in ("one #1.parquet", "two.parquet"):
        write_rows(folder / name, 12)
    return Source(str(folder).replace("{", "\\{").replace("}", "\\}"), "parquet")


def write_rows(file: Path, count: int) -> None:
    keys = [None if i % 3 == 0 else f"key {i % 2}" for i in range(count)]
    photos = [PHOTO if i % 4 else None for i in range(count)]
    pq.write_table(pa.table({"key": keys, "content": photos}), file, row_group_size=2)


KEYED = {"options": ScoreOptions(keep=("key",)), "max_error_rate": 1.0}


@pytest.mark.usefixtures("small_splits")
def test_it_is_rows_that_count_and_not_their_keys(score: Score, tmp_path: Path, table: Source) -> None:
    done = score(source=table, **KEYED)
    assert done.by_status == {"ok": 18, "missing": 6}
    assert len(files(tmp_path)) > 4
    whole = rows(tmp_path, "key")
    assert whole == {None: 8, "key 0": 8, "key 1": 8}
    undo(tmp_path, 3)
    assert sum(rows(tmp_path, "key").values()) < 24
    again = score(source=table, **KEYED)
    assert (again.rows, again.by_status) == (24, done.by_status)
    assert rows(tmp_path, "key") == whole


@pytest.mark.usefixtures("small_splits")
def test_only_new_files_of_a_table_are_read(score: Score, tmp_path: Path, table: Source) -> None:
    score(source=table, **KEYED)
    before = set(files(tmp_path))
    folder = tmp_path / "in a%20folder {é}"
    write_rows(folder / "three.parquet", 4)
    again = score(source=table, **KEYED)
    assert (again.rows, again.rows_before) == (28, 24)
    assert before < set(files(tmp_path))
    said: list[str] = []
    score(source=table, said=said, **KEYED)
    assert any("Nothing new" in line for line in said)
    write_rows(folder / "one #1.parquet", 5)
    with pytest.raises(InputError, match="0 files of the input are gone and 1 are others"):
        score(source=table, **KEYED)


def test_an_output_that_the_input_would_read_is_refused(score: Score, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    write_rows(lake / "one.parquet", 4)
    given = {**KEYED, "source": Source(f"{lake}/*", "parquet"), "output": lake / "out"}
    assert score(**given).rows == 4
    with pytest.raises(InputError, match="lies in the input"):
        score(**given)


def test_an_input_without_rows_is_an_output_with_columns(
    spark: SparkSession, score: Score, tmp_path: Path
) -> None:
    schema = pa.schema([("path", pa.string()), ("content", pa.binary())])
    (tmp_path / "in").mkdir()
    pq.write_table(schema.empty_table(), tmp_path / "in" / "none.parquet")
    assert score(source=Source(str(tmp_path / "in"), "parquet")).rows == 0
    read = spark.read.parquet(str(tmp_path / "out"))
    assert (read.count(), read.columns[:2]) == (0, ["path", "prediction"])


def test_what_cannot_be_cut_is_scored_in_one_go_and_shown_when_it_is_done(
    spark: SparkSession, score: Score, tmp_path: Path, table: Source
) -> None:
    spark.read.parquet(table.path).createOrReplaceTempView("some_photos")
    source = Source("some_photos", "table")
    said: list[str] = []
    assert score(source=source, said=said, **KEYED).rows == 24
    assert any("in one go" in line for line in said)
    assert sum(rows(tmp_path, "key").values()) == 24
    assert not list(tmp_path.glob(".out*"))
    said.clear()
    assert score(source=source, said=said, **KEYED).rows_before == 24
    assert any("Nothing new" in line for line in said)


def test_a_committer_that_shows_parts_is_refused(
    spark: SparkSession, score: Score, tmp_path: Path, table: Source
) -> None:
    algorithm = {"mapreduce.fileoutputcommitter.algorithm.version": "2"}
    with (
        set_for_now(spark, algorithm),
        pytest.raises(InputError, match=r"version=2 readers see.* Leave it at 1"),
    ):
        score(source=table, format="orc", **KEYED)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("small_splits")
def test_a_job_ends_early_once_its_budget_cannot_be_kept(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Source
) -> None:
    monkeypatch.setattr(watching, "_LOOK_S", 0.01)
    with pytest.raises(ErrorBudgetExceeded, match="have no prediction") as caught:
        score(source=table, options=ScoreOptions(keep=("key",)), max_error_rate=0.01)
    done: Any = caught.value.report
    assert sum(rows(tmp_path, "key").values()) == done.rows
    assert score(source=table, **KEYED).rows == 24  # what was kept is gone on from


# --- what is set aside


@pytest.mark.parametrize("bytes_too", [False, True])
def test_photos_without_a_prediction_are_set_aside_with_their_reason_and_if_asked_their_bytes(
    spark: SparkSession, score: Score, tmp_path: Path, photos: Path, bytes_too: bool
) -> None:
    (photos / "bad.jpg").write_bytes(PHOTO[:300])
    (photos / "none.jpg").write_bytes(b"")
    aside = {"quarantine": str(tmp_path / "aside"), "quarantine_bytes": bytes_too, "max_error_rate": 1.0}
    assert score(**aside).by_status == {"ok": 12, "empty": 1, "truncated": 1}
    found = {Path(row.path).name: row for row in spark.read.parquet(str(tmp_path / "aside")).collect()}
    assert {name: row.status for name, row in found.items()} == {"bad.jpg": "truncated", "none.jpg": "empty"}
    assert found["bad.jpg"].error
    assert ("content" in found["bad.jpg"]) is bytes_too
    if bytes_too:
        assert bytes(found["bad.jpg"].content) == PHOTO[:300]
    assert "content" not in spark.read.parquet(str(tmp_path / "out")).columns
    with pytest.raises(InputError, match=r"--quarantine .*aside and not none"):
        score(max_error_rate=1.0)


def test_bytes_of_a_table_are_set_aside_too(
    spark: SparkSession, score: Score, tmp_path: Path, table: Source
) -> None:
    folder = tmp_path / "in a%20folder {é}"
    pq.write_table(pa.table({"key": ["bad"], "content": [b"no photo"]}), folder / "bad.parquet")
    score(source=table, quarantine=str(tmp_path / "aside"), quarantine_bytes=True, **KEYED)
    aside = spark.read.parquet(str(tmp_path / "aside"))
    assert Counter(row.status for row in aside.collect()) == {"missing": 6, "undecodable": 1}
    assert [bytes(row.content) for row in aside.where("key = 'bad'").collect()] == [b"no photo"]


# --- Delta


@pytest.mark.usefixtures("photos", "small_chunks")
def test_a_delta_table_gets_each_row_once_whenever_the_driver_ends(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deltalake import DeltaTable

    def committed() -> Counter[str]:
        return Counter(DeltaTable(str(tmp_path / "out")).to_pyarrow_table()["path"].to_pylist())

    made = Commits._make

    def end_before(self: Commits, *args: Any) -> None:
        raise RuntimeError("the driver ends before the commit")

    def end_after(self: Commits, *args: Any) -> None:
        made(self, *args)
        raise RuntimeError("the driver ends after the commit")

    for end in (end_before, end_after):
        monkeypatch.setattr(Commits, "_make", end)
        with pytest.raises(RuntimeError, match="the driver ends"):
            score(format="delta")
        monkeypatch.setattr(Commits, "_make", made)
        assert score(format="delta").rows == 12
        assert set(committed().values()) == {1}
        assert sum(committed().values()) == 12
        shutil.rmtree(tmp_path / "out")


@pytest.mark.usefixtures("photos", "small_chunks")
def test_a_delta_table_that_was_compacted_is_gone_on_with(score: Score, tmp_path: Path, photos: Path) -> None:
    from deltalake import DeltaTable

    score(format="delta")
    table = DeltaTable(str(tmp_path / "out"))
    table.optimize.compact()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    for file in (tmp_path / "out" / "_stagewright").glob("finished-*"):
        file.unlink()
    add_photos(photos, range(12, 16))
    assert score(format="delta").rows == 16
    assert len(set(DeltaTable(str(tmp_path / "out")).to_pyarrow_table()["path"].to_pylist())) == 16
