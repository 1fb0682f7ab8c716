"""`stagewright compare`: what two versions answer, which is right, and what that leaves for a gate."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from jobs import CompareJob, ErrorBudgetExceeded, EvaluateJob, ScoreOptions, Source, compare, evaluate
from jobs.cli import main
from jobs.evaluation import metrics
from mlruns_fixture import LABELS, ODD, PLAIN, PREPROCESS, ColourNet
from mlruns_fixture.build import Fixture
from pyfunc_models import carried
from pyfunc_models.packaging import PackageOptions, package
from pyfunc_models.worker.image_model import OwnCode
from registry import Registry, RunStatus, Signer
from registry.gates.evidence import comparisons_of
from registry.gates.signed_figures import signed_comparison
from tests.registry.test_signing import key_pair

TRUTH = {name: LABELS.index(name.partition("-")[0]) for name in PLAIN}
BAD = sum(status != "ok" for _, status in ODD.values())


def ignore(line: str) -> None:
    """Progress that nobody reads."""


class ColourBlind(ColourNet):
    """Takes red for green and green for red."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images)[:, [1, 0, 2, 3]]


@pytest.fixture
def labels(tmp_path: Path) -> str:
    lines = "".join(f"{name},{index}\n" for name, index in TRUTH.items())
    (tmp_path / "labels.csv").write_text(f"file,class_index\n{lines}")
    return str(tmp_path / "labels.csv")


@pytest.fixture(scope="module")
def blind_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(ColourBlind(), PREPROCESS, LABELS, into=tmp_path_factory.mktemp("blind") / "model")


@pytest.fixture
def colour_blind(fixture: Fixture, blind_model: Path) -> str:
    """Version 3 of `colours`, wrong on the 6 photos that are red or green."""
    return Registry().register(blind_model, "colours").version.pinned_uri


def job(fixture: Fixture, b: str, output: Path, **others: object) -> CompareJob:
    return CompareJob("models:/colours/1", b, Source(str(fixture.photos)), str(output), **others)  # type: ignore[arg-type]


def test_a_sharper_version_agrees_and_is_surer(spark, fixture, tmp_path) -> None:
    report = compare(
        spark, Registry(), job(fixture, "models:/colours/2", tmp_path / "out", max_error_rate=1), ignore
    )
    assert report.decoded_once
    assert (report.metrics["agreement"], report.metrics["photos"]) == (1, len(PLAIN) + len(ODD))
    assert report.a.by_status["ok"] == report.b.by_status["ok"] == len(PLAIN) + len(ODD) - BAD
    assert "top1" not in report.metrics
    rows = spark.read.parquet(str(tmp_path / "out")).collect()
    answers = {Path(row.path).name: row for row in rows}
    for name in PLAIN:
        for side, number in (("a", 1), ("b", 2)):
            said = answers[name][side]
            label, score = max(fixture.golden[number][name].items(), key=lambda one: one[1])
            assert (said.label, said.status, said.error) == (label, "ok", None)
            assert said.score == pytest.approx(score, abs=1e-3)
        assert answers[name].agree is True
    cut_off = answers["cut-off.jpg"]
    assert (cut_off.a.label, cut_off.a.class_index, cut_off.a.status, cut_off.agree) == (
        None,
        None,
        "truncated",
        None,
    )
    shifts = [row.b.score - row.a.score for row in rows if row.agree is not None]
    assert report.metrics["confidence_shift"] == pytest.approx(sum(shifts) / len(shifts)) != 0


def test_with_labels_it_is_known_which_is_right_and_the_challenger_keeps_it(
    spark, fixture, colour_blind, labels, tmp_path
) -> None:
    registry = Registry()
    private, public = key_pair(tmp_path / "keys", "ada")
    signer = Signer.read(private)
    asked = job(fixture, colour_blind, tmp_path / "out", labels=labels, dataset="shop", signer=signer)
    report = compare(spark, registry, asked, ignore)
    assert {name: report.metrics[name] for name in ("photos", "agreement", "top1", "top1_against")} == {
        "photos": 12, "agreement": 0.5, "top1": 0.5, "top1_against": 1,
    }  # fmt: skip
    assert (report.metrics["only_a_right"], report.metrics["only_b_right"]) == (6, 0)
    assert report.metrics["mcnemar_p"] == pytest.approx(2 * 0.5**6)
    assert [(one.key, one.a, one.b, one.label) for one in report.disagreements[:2]] == [
        (name, "green", "red", "green") for name in sorted(PLAIN) if name.startswith("green")
    ][:2]
    challenger, other = registry.resolve(colour_blind), registry.resolve("models:/colours/1")
    [kept] = comparisons_of(challenger)
    assert (kept.against, kept.dataset, kept.metrics) == (1, "shop", dict(report.metrics))
    assert comparisons_of(other) == []
    assert signed_comparison(challenger, kept, other, [public]) == kept
    [run] = registry.jobs_of(challenger)
    assert (run.run_id, run.status, run.metrics["agreement"]) == (kept.run_id, RunStatus.FINISHED, 0.5)
    page = (tmp_path / "out" / "_stagewright" / "report.html").read_text()
    assert "agree on 50.0 % of 12 photos and differ on 6" in page
    assert page.count('src="data:image/jpeg;base64,') == 6
    assert registry.run_file(run.run_id, "report.html", 10**7) == page.encode()
    evaluated = evaluate(
        spark, registry, EvaluateJob(colour_blind, str(fixture.photos), labels, "shop"), ignore
    )
    assert evaluated.evidence.dataset_digest == kept.dataset_digest == report.dataset_digest
    assert evaluated.metrics["top1"] == kept.metrics["top1"]


def test_the_command_leaves_what_a_gate_asks_for(
    spark, fixture, colour_blind, labels, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gates.toml").write_text(
        "[[Production.comparisons]]\ndataset = 'photos'\nnot_worse_p = 0.05\n"
    )
    command = ["compare", "models:/colours@production"]
    given = ["--input", str(fixture.photos), "--labels", labels]
    assert main([*command, colour_blind, *given, "--output", str(tmp_path / "worse")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "only one     a right on 6, b right on 0; McNemar's exact p 0.0312" in lines
    table = lines[lines.index("The first 6 photos that differ:") + 1 :]
    assert table[0].split() == ["PHOTO", "A", "SCORE", "B", "SCORE", "LABEL"]
    assert [line.split()[0] for line in table[1:]] == sorted(
        n for n in PLAIN if n.startswith(("green", "red"))
    )
    assert main(["promote", "colours", "3", "Production"]) == 1
    assert "worse on 6 photos" in capsys.readouterr().out
    assert main([*command, "models:/colours/2", *given, "--output", str(tmp_path / "same"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["metrics"]["mcnemar_p"], said["b"]["model_version"], said["disagreements"]) == (1, 2, [])
    assert main(["promote", "colours", "2", "Production"]) == 0


def test_a_figure_that_a_later_comparison_lacks_is_no_number_any_more(
    spark, fixture, colour_blind, labels, tmp_path
) -> None:
    registry = Registry()
    for number, given in enumerate((labels, None)):
        asked = job(fixture, colour_blind, tmp_path / f"{number}", labels=given, max_error_rate=1)
        report = compare(spark, registry, asked, ignore)
    [kept] = comparisons_of(registry.resolve(colour_blind))
    assert math.isnan(kept.metrics["mcnemar_p"])
    assert kept.metrics["agreement"] == report.metrics["agreement"]


def test_two_models_are_compared_on_a_table_and_only_the_run_keeps_it(spark, fixture, tmp_path) -> None:
    registry = Registry()
    own = PackageOptions(
        own_code=OwnCode(transform=lambda image: Image.new("RGB", image.size, (200, 30, 40)))
    )
    registry.register(package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "r", options=own), "reds")
    photos = [(i, content) for i, content in enumerate(PLAIN.values())]
    spark.createDataFrame(photos, "id int, photo binary").createOrReplaceTempView("shop")
    asked = CompareJob(
        "models:/colours/1",
        "models:/reds/1",
        Source("shop", "table"),
        str(tmp_path / "out"),
        options=ScoreOptions(content_column="photo", keep=("id",)),
    )
    report = compare(spark, registry, asked, ignore)
    assert report.metrics["agreement"] == 3 / 12
    rows = spark.read.parquet(str(tmp_path / "out")).orderBy("id").collect()
    assert [(row.id, row.a.label, row.b.label) for row in rows] == [
        (i, name.partition("-")[0], "red") for i, name in enumerate(PLAIN)
    ]
    assert [one.key for one in report.disagreements] == sorted(str(row.id) for row in rows if not row.agree)
    reds = registry.resolve("models:/reds/1")
    assert comparisons_of(reds) == []
    assert [run.run_id for run in registry.jobs_of(reds)] == [report.b.scoring_run_id]


def test_each_version_answers_by_its_own_code(spark, fixture, tmp_path, monkeypatch) -> None:
    changed = shutil.copytree(carried.HERE, tmp_path / "wrapper")
    classifier = changed / "kinds" / "classifier.py"
    quiet = "self.labels = np.array(labels, dtype=object)"
    assert quiet in classifier.read_text()
    loud = "self.labels = np.array([label.upper() for label in labels], dtype=object)"
    classifier.write_text(classifier.read_text().replace(quiet, loud))
    with monkeypatch.context() as patch:
        patch.setattr(carried, "HERE", changed)
        packaged = package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "loud")
    shouting = Registry().register(packaged, "colours").version.pinned_uri
    report = compare(spark, Registry(), job(fixture, shouting, tmp_path / "out", max_error_rate=1), ignore)
    assert report.decoded_once
    rows = spark.read.parquet(str(tmp_path / "out")).where("a.status = 'ok'").collect()
    assert {(row.a.label, row.b.label) for row in rows} == {(label, label.upper()) for label in LABELS}


def test_too_many_photos_without_an_answer_fail_it_after_everything_is_written(
    spark, fixture, tmp_path
) -> None:
    registry = Registry()
    with pytest.raises(ErrorBudgetExceeded, match=r"18\.18% of 22 rows"):
        compare(spark, registry, job(fixture, "models:/colours/2", tmp_path / "out"), ignore)
    assert spark.read.parquet(str(tmp_path / "out")).count() == len(PLAIN) + len(ODD)
    challenger = registry.resolve("models:/colours/2")
    assert [run.status for run in registry.jobs_of(challenger)] == [RunStatus.FAILED]
    assert comparisons_of(challenger) == []


def test_versions_with_other_labels_and_embedders_are_refused(fixture, tmp_path, capsys) -> None:
    registry = Registry()
    other = ("red", "verde", "blue", "grey")
    registry.register(package(ColourNet(), PREPROCESS, other, into=tmp_path / "other"), "others")
    vectors = package(ColourNet(), PREPROCESS, into=tmp_path / "v", options=PackageOptions(kind="embedder"))
    registry.register(vectors, "vectors")
    given = ["--input", str(fixture.photos), "--output", str(tmp_path / "out")]
    assert main(["compare", "models:/colours/1", "models:/others/1", *given]) == 2
    assert (
        "Class 1 is 'green' in models:/colours/1 and 'verde' in models:/others/1" in capsys.readouterr().err
    )
    assert main(["compare", "models:/colours/1", "models:/vectors/1", *given]) == 2
    assert "of kind 'embedder'" in capsys.readouterr().err


def test_labels_need_a_folder(spark, fixture, labels, tmp_path, capsys) -> None:
    given = ["--input", str(fixture.photos / "*.jpg"), "--output", str(tmp_path / "out"), "--labels", labels]
    assert main(["compare", "models:/colours/1", "models:/colours/2", *given]) == 2
    assert "is no folder, and labels name photos by their path in one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("better", "worse", "p"), [(0, 0, 1.0), (6, 6, 1.0), (0, 6, 0.03125), (6, 0, 0.03125), (2, 10, 0.0385742)]
)
def test_mcnemars_p_is_that_of_a_fair_coin(better: int, worse: int, p: float) -> None:
    assert metrics.mcnemar_p(better, worse) == pytest.approx(p, abs=1e-6)
