"""Tar archives as inputs: what their entries become, whatever they are, and how a job on them goes on."""

import io
import os
import pickle
import random
import tarfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from pyspark import cloudpickle
from pyspark.sql import SparkSession

from jobs import EvaluateJob, InputError, JobFailed
from jobs.comparison import comparing
from jobs.evaluation import evaluating
from jobs.scoring import batch
from jobs.scoring.job import ScoreJob
from jobs.scoring.options import ScoreOptions
from jobs.scoring.place.shards import unpacking
from jobs.scoring.sinks import Sink
from jobs.scoring.sources import Source, local_files
from jobs.scoring.sources.left_out import in_words
from jobs.spark import archives
from mlruns_fixture.build import Fixture
from registry import Registry

SUFFIXES = ("jpg", "jpeg", "png")
Entries = Iterable[tuple[str, bytes | tarfile.TarInfo]]


def tar(entries: Entries, format: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for name, content in entries:
            if isinstance(content, bytes):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            else:
                archive.addfile(content)
    return buffer.getvalue()


def special(name: str, kind: bytes, **more: object) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    for key, value in more.items():
        setattr(entry, key, value)
    return entry


class Read:
    """What comes out of an archive's bytes."""

    def __init__(self, folder: Path, content: bytes) -> None:
        file = folder / "x.tar"
        file.write_bytes(content)
        self.rows = list(archives.rows("x.tar", os.fsencode(file), SUFFIXES))

    @property
    def photos(self) -> dict[object, object]:
        return {row["key"]: row["content"] for row in self.rows if row["content"] is not None}

    @property
    def faults(self) -> dict[object, tuple[str, str]]:
        faults = {row["key"]: row[archives.FAULT] for row in self.rows}
        return {key: (said["status"], said["error"]) for key, said in faults.items() if said["status"]}


USUAL: list[tuple[str, bytes]] = [
    ("a/1.jpg", b"J" * 1000),
    ("a/1.json", b'{"x": 1}'),
    ("a/1.cls", b"3"),
    ("README", b"of no sample"),
    ("a/._1.jpg", b"of a Mac"),
    ("a/2.PNG", b"P" * 600),
    ("a/2.txt", "é".encode()),
    ("IMG.2020.jpg", b"Q"),
    ("seg.seg.png", b"beside"),
    ("seg.jpg", b"photo"),
]


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_entries_of_one_key_are_a_row_with_its_sidecars(tmp_path: Path, format: int) -> None:
    long = ("é" * 40 + "/") * 2 + "x.jpg"
    found = Read(tmp_path, tar([*USUAL, (long, b"long")], format))
    assert found.photos == {
        "a/1": b"J" * 1000,
        "a/2": b"P" * 600,
        "IMG": b"Q",
        "seg": b"photo",
        long.removesuffix(".jpg"): b"long",
    }
    assert found.faults == {}
    first, second, *_ = found.rows
    assert (first["path"], first["shard"]) == ("x.tar/a/1.jpg", "x.tar")
    assert (first["json"], first["cls"], first["txt"]) == ('{"x": 1}', "3", None)
    assert (second["path"], second["txt"]) == ("x.tar/a/2.PNG", "é")


def test_entries_of_one_key_that_are_not_adjacent_are_an_error_that_says_so(tmp_path: Path) -> None:
    content = tar([("a.jpg", b"1"), ("b.jpg", b"2"), ("a.json", b"{}")])
    with pytest.raises(archives.ShardError, match=r"key 'a' in 'x\.tar' are not adjacent.*--sort=name"):
        Read(tmp_path, content)


def test_a_key_that_has_no_one_photo_is_a_row_that_says_why(tmp_path: Path) -> None:
    found = Read(
        tmp_path,
        tar(
            [
                ("none.json", b"{}"),
                ("two.jpg", b"1"),
                ("two.png", b"2"),
                ("others.a.png", b"1"),
                ("others.b.png", b"2"),
                ("text.jpg", b"1"),
                ("text.json", b"\xff"),
                ("long.jpg", b"1"),
                ("long.txt", bytes(archives.MAX_FIELD + 1)),
            ]
        ),
    )
    assert found.photos == {}
    assert found.faults == {
        "none": ("missing", "no photo: none of the key's entries is one"),
        "two": ("unsupported", "the key has two photos, jpg and png"),
        "others": ("unsupported", "no photo: the key has 2 (a.png, b.png), and one is read"),
        "text": ("undecodable", "the key's json is no UTF-8"),
        "long": ("too_large", "the key's txt has 1048577 bytes, more than 1048576"),
    }


@pytest.mark.parametrize("size", [0, 100, 600, 1536, 2000, 5000, 7168])
def test_a_cut_off_archive_gives_its_good_rows_and_a_status(tmp_path: Path, size: int) -> None:
    whole, cut = Read(tmp_path, tar(USUAL)), Read(tmp_path, tar(USUAL)[:size])
    assert cut.photos.items() <= whole.photos.items()
    assert cut.faults[None] == ("truncated", f"the archive is cut off after {size} bytes")
    assert cut.rows[-1]["path"] == "x.tar"
    assert len(cut.photos) == sum(size >= end for end in (1512, 6744))


def test_what_is_hostile_in_an_archive_is_a_row_and_leads_nowhere(tmp_path: Path) -> None:
    links = [
        ("link", tarfile.SYMTYPE, "is a link"),
        ("hard", tarfile.LNKTYPE, "is a link"),
        ("device", tarfile.CHRTYPE, "is no file"),
        ("fifo", tarfile.FIFOTYPE, "is no file"),
    ]
    entries: Entries = [
        *((f"{n}.jpg", special(f"{n}.jpg", kind, linkname="/etc/passwd")) for n, kind, _ in links),
        ("folder.jpg", special("folder.jpg", tarfile.DIRTYPE)),
        ("/etc/passwd.jpg", b"1"),
        ("../../up.jpg", b"2"),
        (b"caf\xe9.jpg".decode(errors="surrogateescape"), b"3"),
    ]
    found = Read(tmp_path, tar(entries))
    assert found.photos == {"/etc/passwd": b"1", "../../up": b"2"}
    assert found.faults == {
        **{n: ("unsupported", f"the key's jpg {said}, and is not read") for n, _, said in links},
        "caf\ufffd": ("unsupported", "the entry's name is no UTF-8"),
    }
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


def header(name: str, kind: bytes = tarfile.REGTYPE, **more: object) -> bytes:
    return special(name, kind, **more).tobuf(tarfile.GNU_FORMAT)


def negative() -> bytes:
    """An entry whose size is below zero, after which tarfile would read the same again and again."""
    block = bytearray(header("a.jpg"))
    block[124:136] = b"\xff" * 10 + (0x10000 - 1024).to_bytes(2, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


HOSTILE = {
    "a size beyond the end": (header("a.jpg", size=2**40) + bytes(1000), "truncated"),
    "a size below zero": (negative() + bytes(10240), "undecodable"),
    "a long name of 8 GB": (header("././@LongLink", b"L", size=2**33) + bytes(5000), "undecodable"),
    "a header of 1 MB": (header("p", b"x", size=2**20) + b"1" * 2**20 + bytes(1024), "undecodable"),
    "headers of headers": (
        (header("p", b"x", size=512) + b"20 path=aaaaaaaaaaa\n".ljust(512, b"\0")) * 3000 + bytes(1024),
        "undecodable",
    ),
    "no archive": (b"GIF89a" * 2000, "undecodable"),
    "one behind the other": (tar(USUAL) * 2, "unsupported"),
    "a broken header": (tar(USUAL)[:1536] + b"\1" + tar(USUAL)[1537:], "undecodable"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_wrong_with_an_archive_is_a_row_of_its_own_at_once(tmp_path: Path, name: str) -> None:
    content, status = HOSTILE[name]
    started = time.process_time()
    assert Read(tmp_path, content).faults[None][0] == status
    assert time.process_time() - started < 5


def test_damaged_archives_give_rows_and_nothing_else(tmp_path: Path) -> None:
    dice, whole = random.Random(5), tar(USUAL, tarfile.PAX_FORMAT)
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(dice.choice([1, 3, 10])):
            block = dice.randrange(0, 18) * 512
            content[block + dice.randrange(512)] = dice.choice([0, 0x20, 0x30, 0x80, 0xFF])
        try:
            rows = Read(tmp_path, bytes(content)).rows
        except archives.ShardError:
            continue
        assert all(row["content"] is None or row[archives.FAULT]["status"] is None for row in rows)  # type: ignore[index]


@pytest.mark.parametrize("what", ["gone", "link", "fifo", None])
def test_an_archive_that_is_no_file_any_more_is_a_row(tmp_path: Path, what: str | None) -> None:
    path = tmp_path / "x.tar"
    if what == "fifo":
        os.mkfifo(path)
    if what == "link":
        path.symlink_to("/dev/zero")
    found = archives.rows("x.tar", None if what is None else os.fsencode(path), SUFFIXES)
    [row] = found
    assert row[archives.FAULT]["status"] in ("missing", "unsupported")  # type: ignore[index]


# --- jobs


@pytest.fixture
def shards(fixture: Fixture, tmp_path: Path) -> Path:
    """Two archives, of which the second is cut off within its last photo."""
    photos = sorted(fixture.photos.glob("*-64x48.jpg"))
    folder = tmp_path / "shards"
    folder.mkdir()
    (folder / "0.tar").write_bytes(tar(samples(photos)))
    whole = tar(samples(photos[:2]))
    (folder / "1.tar").write_bytes(whole[: whole.index(b"cut-here")])
    (folder / "2.tgz").write_bytes(b"")
    return folder


def samples(photos: list[Path]) -> Iterator[tuple[str, bytes]]:
    for photo in photos:
        yield f"{photo.stem}.jpg", photo.read_bytes()
        yield f"{photo.stem}.cls", b"4"
    yield "last.jpg", b"cut-here" * 100


def test_a_job_on_archives_goes_on_and_has_each_row_once(
    spark: SparkSession, shards: Path, tmp_path: Path
) -> None:
    options = ScoreOptions(keep=("key", "cls", "shard"))
    sink = Sink(str(tmp_path / "scored"))
    job = ScoreJob("models:/colours/1", Source(str(shards), "tar"), sink, options, max_error_rate=1.0)
    said: list[str] = []
    done = batch.run(spark, Registry(), job, said.append)
    assert done.left_out == {"archive": 1}
    assert any("1 archives" in line for line in done.lines())
    with tarfile.open(shards / "0.tar") as archive:
        whole = sum(name.endswith("-64x48.jpg") for name in archive.getnames()) + 2
    assert done.by_status == {"ok": whole, "truncated": 2, "undecodable": 1}
    rows = spark.read.parquet(sink.path)
    bad = {(row.key, row.status, row.error) for row in rows.where("status <> 'ok'").collect()}
    size = (shards / "1.tar").stat().st_size
    cut = f"the archive is cut off after {size} bytes"
    assert {("last", "truncated", cut), (None, "truncated", cut)} < bad
    assert rows.where("status = 'ok' and cls = '4' and prediction is not null").count() == whole
    written = {file.name: file.stat().st_mtime_ns for file in Path(sink.path).glob("*.parquet")}
    assert len(written) == 2
    (shards / "3.tar").write_bytes((shards / "0.tar").read_bytes())
    again = batch.run(spark, Registry(), job, said.append)
    assert again.rows_before == done.rows
    assert again.by_status["ok"] > whole
    now = {file.name: file.stat().st_mtime_ns for file in Path(sink.path).glob("*.parquet")}
    assert written.items() < now.items()
    assert len(now) == 3
    (shards / "3.tar").write_bytes(b"another")
    with pytest.raises(InputError, match="1 are others since they were planned"):
        batch.run(spark, Registry(), job, said.append)


def test_entries_that_are_not_adjacent_fail_the_job_and_nothing_of_their_archive_is_written(
    spark: SparkSession, shards: Path, tmp_path: Path
) -> None:
    (shards / "1.tar").write_bytes(tar([("a.jpg", b"1"), ("b.jpg", b"2"), ("a.json", b"{}")]))
    sink = Sink(str(tmp_path / "scored"))
    job = ScoreJob("models:/colours/1", Source(str(shards), "tar"), sink, max_error_rate=1.0)
    with pytest.raises(JobFailed, match=r"The entries of key 'a' in 'file:.*1\.tar' are not adjacent"):
        batch.run(spark, Registry(), job, lambda line: None)
    written = [spark.read.parquet(str(file)) for file in Path(sink.path).glob("*.parquet")]
    assert all("/1.tar" not in row.path for rows in written for row in rows.select("path").collect())


def test_what_reads_archives_needs_nothing_of_stagewright_where_it_runs() -> None:
    class Elsewhere(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            assert module.partition(".")[0] not in ("jobs", "registry", "pyfunc_models"), f"{module}.{name}"
            return super().find_class(module, name)

    for function in (unpacking(("key",)), archives.reader(SUFFIXES)):
        pickled = cloudpickle.dumps(function)  # type: ignore[no-untyped-call]
        assert callable(Elsewhere(io.BytesIO(pickled)).load())


def test_archives_are_evaluated_and_compared(spark: SparkSession, shards: Path, tmp_path: Path) -> None:
    (shards / "1.tar").unlink()
    labels = tmp_path / "labels.csv"
    with tarfile.open(shards / "0.tar") as archive:
        names = [name for name in archive.getnames() if name.endswith("-64x48.jpg")]
    labels.write_text("file,class_index\n" + "".join(f"0.tar/{name},0\n" for name in names))
    job = EvaluateJob("models:/colours/1", str(shards), str(labels), input_format="tar")
    done = evaluating.evaluate(spark, Registry(), job, lambda line: None)
    assert (done.scored.by_status, done.unlabelled) == ({"ok": len(names)}, 1)
    source = Source(str(shards), "tar")
    output = str(tmp_path / "compared")
    asked = comparing.CompareJob("models:/colours/1", "models:/colours/2", source, output, max_error_rate=1.0)
    both = comparing.compare(spark, Registry(), asked, lambda line: None)
    assert both.a.by_status == both.b.by_status == {"ok": len(names), "undecodable": 1}


def test_a_folder_without_archives_says_what_else_is_in_it(
    spark: SparkSession, fixture: Fixture, tmp_path: Path
) -> None:
    job = ScoreJob("models:/colours/1", Source(str(fixture.photos), "tar"), Sink(str(tmp_path / "out")))
    with pytest.raises(InputError, match=r"There is no archive in .*looked for \.tar.*with other suffixes"):
        batch.run(spark, Registry(), job, lambda line: None)


def test_a_search_counts_what_somebody_may_have_meant_apart(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.JXL", "c.nef", "d.tar.gz", "e.tar", "f.md", "g.heic"):
        (tmp_path / name).write_bytes(b"")
    found = local_files.search(str(tmp_path), ("jpg", "heic"))
    assert (found.files, found.left_out) == (2, {"other_format": 2, "archive": 2, "other_suffix": 1})
    assert "2 photos of formats that are not read" in in_words(found.left_out)
