"""A photo that crashes or hangs whoever reads it is a row with a status, and its batch-mates are scored."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from PIL import Image
from pyspark.sql import Row, SparkSession

from jobs import ScoreOptions, score
from jobs.cli import main
from jobs.spark import hangs, readers, session
from jobs.spark.isolation import Isolated
from mlruns_fixture import LABELS, PLAIN, PREPROCESS, ColourNet
from mlruns_fixture.build import Fixture
from mlruns_fixture.photos import _encoded
from pyfunc_models import Status
from pyfunc_models.packaging import PackageOptions, package
from pyfunc_models.pairs.packing import package_pair
from pyfunc_models.worker import manifest
from pyfunc_models.worker.image_model import OwnCode
from registry import ModelVersion, Registry

ROOT = Path(__file__).parents[2]
# By its width: what becomes of the process that reads a photo.
CRASHES, HANGS, IS_KILLED, IS_KILLED_ONCE, LEAVES, KEEPS_THE_LOCK = 101, 102, 103, 104, 105, 106
TIMEOUT_S = 1.5


class Dangerous:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __call__(self, image: Image.Image) -> Image.Image:
        if image.width == CRASHES:
            os.kill(os.getpid(), signal.SIGSEGV)
        if image.width == HANGS:
            time.sleep(1000)
        if image.width == IS_KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        if image.width == IS_KILLED_ONCE and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if image.width == LEAVES:
            os._exit(3)
        if image.width == KEEPS_THE_LOCK:
            ctypes.PyDLL(None).sleep(1000)
        return image


def photo(width: int) -> bytes:
    return _encoded(Image.new("RGB", (width, 40), (200, 30, 40)), "PNG")


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose own transform is `Dangerous`."""
    folder = tmp_path_factory.mktemp("dangerous")
    options = PackageOptions(own_code=OwnCode(transform=Dangerous(folder / "marker")))
    return package(ColourNet(), PREPROCESS, LABELS, into=folder / "packaged", options=options)


# --- on Spark


@pytest.fixture
def version(packaged: Path, fixture: Fixture) -> ModelVersion:
    return Registry().register(packaged, "dangerous").version


def scored(spark: SparkSession, photos: dict[str, bytes | None], version: ModelVersion) -> dict[str, Row]:
    frame = spark.createDataFrame(list(photos.items()), "path string, content binary").coalesce(1)
    options = ScoreOptions(photo_timeout_s=TIMEOUT_S)
    rows = score(frame, version, options=options).select("path", "status", "error", "prediction").collect()
    assert [row.path for row in rows] == list(photos), "each row once, and in its order"
    return {row.path: row for row in rows}


def test_a_photo_that_crashes_and_one_that_hangs_are_rows_and_all_others_are_scored(
    spark: SparkSession, version: ModelVersion
) -> None:
    harmless: dict[str, bytes | None] = {**PLAIN, "none": None, "broken": b"this is no photo"}
    names = sorted(harmless)
    middle = len(names) // 2
    photos = {name: harmless[name] for name in names[:middle]}
    photos |= {"crashes": photo(CRASHES), "hangs": photo(HANGS)}
    photos |= {name: harmless[name] for name in names[middle:]}
    rows, alone = scored(spark, photos, version), scored(spark, harmless, version)
    assert {name: rows[name] for name in names} == alone
    assert (rows["crashes"].status, rows["hangs"].status) == ("crashed", "timeout")
    assert rows["crashes"].error == "the process that read the photo alone ended by SIGSEGV"
    assert rows["hangs"].error == "the photo was not done within 1.5 s (--photo-timeout)"
    assert rows["crashes"].prediction is rows["hangs"].prediction is None


@pytest.mark.parametrize(
    ("given", "conf", "opened"),
    [
        ("local[3]", {}, "local[3,4]"),
        ("local[*]", {}, "local[*,4]"),
        ("local", {}, "local[1,4]"),
        (None, {}, "local[*,4]"),
        ("local[3,1]", {}, "local[3,1]"),
        ("local[3]", {"spark.task.maxFailures": "2"}, "local[3,2]"),
        ("spark://host:7077", {}, "spark://host:7077"),
        ("local-cluster[2,1,1024]", {}, "local-cluster[2,1,1024]"),
    ],
)
def test_a_local_master_tries_again_as_clusters_do(
    monkeypatch: pytest.MonkeyPatch, given: str | None, conf: dict[str, str], opened: str
) -> None:
    monkeypatch.setenv("SPARK_CONF_DIR", "/nowhere")
    assert session._trying_again(given, conf) == opened


def test_a_master_that_spark_submit_or_its_settings_name_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "spark-defaults.conf").write_text("# of ours\nspark.master   spark://host:7077\n")
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    assert session._trying_again(None, {}) is None
    monkeypatch.setenv("SPARK_CONF_DIR", "/nowhere")
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert session._trying_again(None, {}) is None


def test_a_worker_that_answers_otherwise_scores_nothing_and_says_so_in_one_line(
    spark: SparkSession, fixture: Fixture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packaged = package(ColourNet(3.0), PREPROCESS, LABELS, into=tmp_path / "packaged")
    file = packaged / "artifacts/model/self-test.json"
    said = json.loads(file.read_text())
    said["photos"][0]["decoded"]["full"] = "0" * 64
    file.write_text(json.dumps(said))
    manifest.write(packaged)
    version = Registry().register(packaged, "elsewhere").version
    output = tmp_path / "out"
    command = ["score", version.pinned_uri, "--input", str(fixture.photos), "--output", str(output)]
    assert main(command) == 1
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("stagewright:")]
    assert line.startswith("stagewright: The Spark job failed: ")
    assert "SelfTestError: This worker gives other answers" in line
    assert "of the golden photo '420.jpg' the decoder (Pillow) makes another result" in line
    assert not list(output.glob("*.parquet"))
    assert main(["doctor", version.pinned_uri]) == 1
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert line.startswith(
        "FAIL  f32         This worker gives other answers than the version was registered with"
    )
    assert "of the golden photo '420.jpg' the decoder (Pillow) makes another result" in line
    assert main(["doctor", "models:/colours/1", "--json"]) == 0
    found = {finding["subject"]: finding["found"] for finding in json.loads(capsys.readouterr().out)}
    assert "answers its 11 golden photos" in found["f32"]


# --- what a task does that is tried again


@pytest.fixture(scope="module")
def isolated(packaged: Path) -> Iterator[Isolated]:
    found = Isolated(str(packaged), TIMEOUT_S, check=lambda: None)
    yield found
    found.close()


def answers(isolated: Isolated, *photos: bytes | None) -> list[tuple[str, str]]:
    """Label, status and error of each photo."""
    found = isolated.predict(pd.DataFrame({"content": list(photos)}, dtype=object), {"top_k": 1})
    return [(row.label or row.status, row.error) for row in found.itertuples()]


RED = photo(64)


def test_who_else_ends_the_reader_does_not_make_a_photo_a_bad_one(isolated: Isolated) -> None:
    assert answers(isolated, RED, photo(IS_KILLED_ONCE), RED) == [("red", "")] * 3
    os.kill(isolated._reader._pid, signal.SIGKILL)  # type: ignore[union-attr]
    assert answers(isolated, RED, RED) == [("red", "")] * 2
    isolated._child._process.kill()  # type: ignore[union-attr]
    assert answers(isolated, RED, RED) == [("red", "")] * 2


@pytest.mark.parametrize(
    ("width", "status", "error"),
    [
        (IS_KILLED, "crashed", "ended by SIGKILL"),
        (LEAVES, "crashed", "ended with exit code 3"),
        (KEEPS_THE_LOCK, "timeout", "was not done within 1.5 s"),
    ],
)
def test_what_ends_the_reader_is_said(isolated: Isolated, width: int, status: str, error: str) -> None:
    before, found, after = answers(isolated, RED, photo(width), None)
    assert before == ("red", "")
    assert found[0] == status
    assert error in found[1]
    assert after[0] == "missing"


def test_versions_of_before_and_both_sides_of_a_comparison_have_it(packaged: Path, tmp_path: Path) -> None:
    with tarfile.open(Path(__file__).parents[1] / "fixtures" / "colours-flat.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    pair = package_pair(packaged, tmp_path / "colours-flat", tmp_path / "pair")
    isolated = Isolated(str(pair), TIMEOUT_S, check=lambda: None)
    try:
        found = isolated.predict(pd.DataFrame({"content": [RED, photo(CRASHES)]}), {})
    finally:
        isolated.close()
    assert found[["a_label", "b_label"]].to_numpy().tolist() == [["red", "red"], ["", ""]]
    assert found[["a_status", "b_status"]].to_numpy().tolist() == [["ok", "ok"], ["crashed", "crashed"]]
    assert found["b_error"].tolist() == ["", "the process that read the photo alone ended by SIGSEGV"]


def test_what_the_model_itself_raises_fails_the_task(isolated: Isolated) -> None:
    with pytest.raises(RuntimeError, match=r"top_k must be 1 or more, not -1") as raised:
        isolated.predict(pd.DataFrame({"content": [RED]}), {"top_k": -1})
    assert raised.type.__name__ == "ValueError"


def test_a_model_that_does_not_load_is_no_fault_of_photos(packaged: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(packaged, tmp_path / "broken")
    (broken / "artifacts/model/model.bin").write_bytes(b"")
    isolated = Isolated(str(broken), TIMEOUT_S, check=lambda: None)
    try:
        with pytest.raises(RuntimeError, match=r"'artifacts/model/model\.bin' is not the file"):
            answers(isolated, RED)
    finally:
        isolated.close()


def test_no_process_outlives_the_worker(packaged: Path) -> None:
    program = f"""
import sys
import pandas as pd
from jobs.spark.isolation import Isolated
isolated = Isolated({str(packaged)!r}, 1000, check=lambda: None)
isolated._started(pd.DataFrame({{"content": []}}), {{}})
print(isolated._child._process.pid, isolated._reader._pid, flush=True)
isolated.predict(pd.DataFrame({{"content": [{photo(HANGS)!r}]}}), {{}})
"""
    worker = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert worker.stdout is not None
    pids = [int(pid) for pid in worker.stdout.readline().split()]
    assert len(pids) == 2
    worker.kill()
    worker.wait()
    deadline = time.monotonic() + 60
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_alive, pids))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_is_said_of_a_row_are_statuses() -> None:
    said = {readers.CRASHED, readers.TIMEOUT, readers.TOO_LARGE}
    assert said <= set(Status)


def test_whoever_uses_the_alarm_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda number: print)
    model = SimpleNamespace(read=len)
    hangs.watch(model, 1)
    assert model.read is len
