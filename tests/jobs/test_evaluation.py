"""`stagewright evaluate`: figures that can be checked by hand, where they are kept, and what is refused."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image

from jobs import ErrorBudgetExceeded, EvaluateJob, InputError, evaluate, reports
from jobs.cli import main
from jobs.evaluation import metrics, pictures
from mlruns_fixture import LABELS, PLAIN, PREPROCESS, ColourNet
from pyfunc_models.packaging import PackageOptions, package
from registry import Registry, RunStatus, Signer
from registry.gates.evidence import evidence_of
from registry.gates.signed_figures import signed_evidence
from tests.registry.test_signing import key_pair

TRUTH = {name: LABELS.index(name.partition("-")[0]) for name in PLAIN}
# Each is red, whatever the CSV says.
WRONG = {"cmyk.jpg": 1}
BAD = {"cut-off.jpg": 0}


def write_labels(path: Path, classes: Mapping[str, object]) -> str:
    path.write_text("file,class_index\n" + "".join(f"{name},{index}\n" for name, index in classes.items()))
    return str(path)


def ignore(line: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture
def job(fixture, tmp_path: Path) -> EvaluateJob:
    """14 photos: 12 that version 1 names rightly, a mislabelled one and one that cannot be read."""
    labels = write_labels(tmp_path / "labels.csv", TRUTH | WRONG | BAD)
    return EvaluateJob("models:/colours/1", str(fixture.photos), labels, "shop", max_error_rate=0.1)


def test_the_figures_are_those_that_a_person_counts(spark, fixture, job) -> None:
    report = evaluate(spark, Registry(), job, ignore)
    found = report.metrics
    assert (found["photos"], found["top1"], found["top5"]) == (14, 12 / 14, 13 / 14)
    assert found["top1_low"] < 12 / 14 < found["top1_high"]
    # Red: 3 of 4 with the one that cannot be read; green: 3 of 4 with the mislabelled one; blue, grey: all.
    assert found["mean_class_accuracy"] == pytest.approx((0.75 + 0.75 + 1 + 1) / 4)
    assert (found["worst_class_accuracy"], report.worst_class) == (0.75, "red")
    assert (found["rate_ok"], found["rate_truncated"], found["rate_missing"]) == (13 / 14, 1 / 14, 0)
    certain = [max(fixture.golden[1][name].values()) for name in PLAIN]
    photos = pd.read_csv(artifact(report, "photos.csv")).set_index("file")
    assert photos.loc[list(PLAIN), "score"].tolist() == pytest.approx(certain, abs=1e-3)
    assert found["mean_confidence"] == pytest.approx(photos["score"].mean())
    assert report.unlabelled == 8
    assert found["images_per_second"] > 0


def artifact(report, name: str) -> str:
    return MlflowClient().download_artifacts(report.scored.scoring_run_id, name)


def test_run_and_version_keep_what_was_found_signed_by_who_has_a_key(spark, fixture, job, tmp_path) -> None:
    registry = Registry()
    private, public = key_pair(tmp_path / "keys", "ada")
    report = evaluate(spark, registry, replace(job, signer=Signer.read(private)), ignore)
    version = registry.resolve("models:/colours/1")
    [evidence] = evidence_of(version)
    assert signed_evidence(version, evidence, [public]) == evidence
    assert (evidence.dataset, evidence.precision, evidence.run_id) == (
        "shop",
        "f32",
        report.scored.scoring_run_id,
    )
    assert evidence.dataset_digest == report.evidence.dataset_digest
    assert evidence.metrics == dict(report.metrics)
    [run] = registry.jobs_of(version)
    assert (run.run_id, run.status) == (evidence.run_id, RunStatus.FINISHED)
    assert run.metrics["top1"] == evidence.metrics["top1"]
    assert run.tags["dataset_digest"] == evidence.dataset_digest
    by_class = pd.read_csv(artifact(report, "by_class.csv"))
    assert by_class.values.tolist() == [
        [0, "red", 4, 3, 0.75], [1, "green", 4, 3, 0.75], [2, "blue", 3, 3, 1.0], [3, "grey", 3, 3, 1.0],
    ]  # fmt: skip
    [confused] = pd.read_csv(artifact(report, "confusions.csv")).to_dict("records")
    assert (confused["label"], confused["predicted_label"], confused["photos"]) == ("green", "red", 1)
    wrong = pd.read_csv(artifact(report, "photos.csv")).query("not correct").set_index("file")
    assert wrong["status"].to_dict() == {"cmyk.jpg": "ok", "cut-off.jpg": "truncated"}
    page = Path(artifact(report, "report.html")).read_text()
    assert "85.7 % of 14 labelled photos were answered rightly" in page
    assert page.count('src="data:image/jpeg;base64,') == 1
    assert reports.report(registry, run.run_id).page.count('src="data:image/jpeg;base64,') == 1
    for picture in ("confusion_matrix.png", "reliability.png"):
        assert Image.open(artifact(report, picture)).size > (300, 300)


def test_classes_of_one_name_are_told_apart(spark, fixture, tmp_path) -> None:
    cranes = ("crane", "green", "crane", "grey")  # as in ImageNet, where a bird and a machine are called so
    packaged = package(ColourNet(), PREPROCESS, cranes, into=tmp_path / "cranes")
    Registry().register(packaged, "cranes")
    swapped = TRUTH | {name: 2 for name in PLAIN if name.startswith("red")}
    job = EvaluateJob(
        "models:/cranes/1", str(fixture.photos), write_labels(tmp_path / "right.csv", TRUTH), "shop"
    )
    assert evaluate(spark, Registry(), job, ignore).metrics["top1"] == 1
    job = EvaluateJob(
        "models:/cranes/1", str(fixture.photos), write_labels(tmp_path / "wrong.csv", swapped), "shop"
    )
    assert evaluate(spark, Registry(), job, ignore).metrics["top1"] == 9 / 12


def test_too_many_photos_without_an_answer_leave_a_failed_run_and_no_evidence(
    spark, fixture, job, capsys
) -> None:
    registry = Registry()
    with pytest.raises(ErrorBudgetExceeded, match=r"7\.14% of 14 rows .*1 truncated"):
        evaluate(spark, registry, replace(job, max_error_rate=0.01), ignore)
    version = registry.resolve("models:/colours/1")
    [run] = registry.jobs_of(version)
    assert (run.status, run.metrics["top1"]) == (RunStatus.FAILED, 12 / 14)
    assert evidence_of(version) == []


def test_the_digest_is_of_names_classes_and_bytes_in_whatever_order_and_place(
    spark, fixture, tmp_path
) -> None:
    some = dict(list(TRUTH.items())[:3])
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    for name in some:
        shutil.copy(fixture.photos / name, elsewhere)

    def digest(folder: Path, classes: Mapping[str, int]) -> str:
        job = EvaluateJob(
            "models:/colours/1", str(folder), write_labels(tmp_path / "labels.csv", classes), "shop"
        )
        return evaluate(spark, Registry(), job, ignore).evidence.dataset_digest

    first = digest(fixture.photos, some)
    assert digest(elsewhere, dict(reversed(some.items()))) == first
    assert digest(elsewhere, some | {next(iter(some)): 3}) != first
    shutil.copy(elsewhere / list(some)[1], elsewhere / next(iter(some)))
    assert digest(elsewhere, some) != first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,class\na.jpg,0\n", "has no column 'class_index'; it has ['file', 'class']"),
        ("", "has no column 'file'; it has []"),
        ("file,class_index\n", "has no photo below its heading"),
        (
            "file,class_index\na.jpg,0\nb.jpg,4\n",
            "line 3: class_index 4 is out of range; the model has 4 classes",
        ),
        ("file,class_index\na.jpg,-1\n", "line 2: class_index -1 is out of range"),
        ("file,class_index\na.jpg,red\n", "line 2: class_index 'red' is no whole number"),
        ("file,class_index\na.jpg\n", "line 2: class_index '' is no whole number"),
        ("file,class_index\n,1\n", "line 2: no file is named"),
        ("file,class_index\na.jpg,0\n./a.jpg,1\n", "line 3: 'a.jpg' is on line 2 already"),
    ],
)
def test_a_mistake_in_the_labels_is_told_with_its_line(
    fixture, tmp_path, capsys, text: str, said: str
) -> None:
    (tmp_path / "labels.csv").write_text(text)
    command = ["evaluate", "models:/colours/1", "--images", str(fixture.photos), "--labels"]
    assert main([*command, str(tmp_path / "labels.csv")]) == 2
    assert said in capsys.readouterr().err
    assert main([*command, str(tmp_path / "nowhere.csv")]) == 2
    assert "nowhere.csv" in capsys.readouterr().err


def test_a_photo_that_is_not_there_is_told_before_anything_is_read(spark, fixture, tmp_path) -> None:
    labels = write_labels(tmp_path / "labels.csv", TRUTH | {"shop/grey.png": 3, "nowhere.jpg": 0})
    job = EvaluateJob("models:/colours/1", str(fixture.photos), labels)
    with pytest.raises(
        InputError, match=r"line 14: there is no photo 'shop/grey\.png' and 1 more .*'grey\.png'"
    ):
        evaluate(spark, Registry(), job, ignore)
    assert Registry().jobs_of(Registry().resolve("models:/colours/1")) == []


def test_an_embedder_is_refused(fixture, tmp_path, capsys) -> None:
    packaged = package(
        ColourNet(), PREPROCESS, into=tmp_path / "embedder", options=PackageOptions(kind="embedder")
    )
    Registry().register(packaged, "vectors")
    labels = write_labels(tmp_path / "labels.csv", TRUTH)
    command = ["evaluate", "models:/vectors/1", "--images", str(fixture.photos), "--labels", labels]
    assert main(command) == 2
    assert "of kind 'embedder'" in capsys.readouterr().err


def test_the_command_leaves_what_a_gate_asks_for(spark, fixture, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    gate = "[[Production.metrics]]\nmetric = 'top1'\ndataset = 'the-shop'\nthreshold = 0.9\n"
    (tmp_path / "gates.toml").write_text(gate)
    photos = shutil.copytree(fixture.photos, tmp_path / "the shop!")
    labels = write_labels(tmp_path / "labels.csv", TRUTH)
    assert main(["promote", "colours", "2", "Production"]) == 1
    capsys.readouterr()
    command = ["evaluate", "models:/colours/2", "--images", str(photos), "--labels", labels]
    assert main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["dataset"], said["metrics"]["top1"], said["rows"]) == ("the-shop", 1.0, 12)
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("top-1        1.0000  (95 % interval 0.7575 to 1.0000)")
    assert lines[-1] == "Next: stagewright promote colours 2 Staging"
    assert main(["promote", "colours", "2", "Production"]) == 0


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy_by_bin() -> None:
    # Two bins of two photos: sure by 0.9 and right in half, sure by 0.5 and right always.
    found = metrics.calibration(np.array([True, False, True, True]), np.array([0.9, 0.9, 0.5, 0.5]))
    assert found.photos.tolist() == [2, 2]
    assert found.error == pytest.approx((2 * 0.5 + 2 * 0.4) / 4)
    assert metrics.calibration(np.array([True]), np.array([1.0000001])).error == pytest.approx(0)


def test_the_matrix_of_a_thousand_classes_shows_the_most_confused(tmp_path) -> None:
    labels = [f"class number {i}" for i in range(1000)]
    truth = np.arange(1000)
    predicted = np.where(truth % 100 == 7, truth + 1, truth)
    photos = pd.DataFrame({"class_index": truth, "predicted_index": predicted})
    shown, others = pictures._shown(photos)
    assert {7, 8, 907, 908} <= set(shown)
    assert len(shown) + others == 1000
    pictures.draw_confusions(photos, labels, tmp_path / "matrix.png")
    assert max(Image.open(tmp_path / "matrix.png").size) < 2000
