"""A multilabel from the command line: registered with its threshold, scored, and the threshold measured."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from sklearn.metrics import average_precision_score, f1_score

from jobs.cli import main
from mlruns_fixture import LABELS, PLAIN
from registry import Registry
from registry.gates.evidence import evidence_of

# What the photos show, by LABELS; whatever is on none of them is left to chance.
TRUTH = {name: {LABELS.index(name.partition("-")[0])} for name in PLAIN} | {"cut-off.jpg": {0, 3}}


def options(fixture, tmp_path: Path) -> list[str]:
    from mlruns_fixture import ColourNet

    torch.save(ColourNet().state_dict(), tmp_path / "weights.pt")
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    return [
        *("register", "tagged", "--architecture", "mlruns_fixture:ColourNet"),
        *("--weights", str(tmp_path / "weights.pt"), "--labels", str(tmp_path / "labels.txt")),
        *("--resize", "36", "--crop", "32", "--kind", "multilabel"),
    ]


def test_a_multilabel_is_registered_and_evaluated_by_its_threshold(spark, fixture, tmp_path, capsys) -> None:
    assert main([*options(fixture, tmp_path), "--threshold", "0.3"]) == 0
    truth = tmp_path / "truth.csv"
    rows = (f"{name},{' '.join(map(str, sorted(classes)))}\n" for name, classes in TRUTH.items())
    truth.write_text("file,class_indices\n" + "".join(rows))
    capsys.readouterr()
    asked = ["--images", str(fixture.photos), "--labels", str(truth), "--dataset", "shop"]
    assert main(["evaluate", "models:/tagged/1", *asked, "--max-error-rate", "0.1", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    found = said["metrics"]

    version = Registry().resolve("models:/tagged/1")
    assert version.settings == {"threshold": "0.3"}
    [evidence] = evidence_of(version)
    assert evidence.metrics["f1_micro"] == pytest.approx(found["f1_micro"])
    photos = pd.read_csv(MlflowClient().download_artifacts(said["scoring_run_id"], "photos.csv"))
    photos = photos.set_index("file")
    chosen = np.array(
        [
            [label in str(photos.loc[name, "predicted_labels"]).split("; ") for label in LABELS]
            for name in TRUTH
        ]
    )
    wanted = np.array([[index in classes for index in range(len(LABELS))] for classes in TRUTH.values()])
    assert photos.loc["cut-off.jpg", "status"] == "truncated"
    assert not chosen[list(TRUTH).index("cut-off.jpg")].any()
    assert found["f1_micro"] == pytest.approx(f1_score(wanted, chosen, average="micro"))
    assert found["f1_macro"] == pytest.approx(f1_score(wanted, chosen, average="macro"))
    assert found["threshold"] == 0.3
    assert 0 < found["f1_micro"] <= found["best_f1_micro"] <= 1
    assert 0 < found["mean_average_precision"] <= 1


def test_what_has_no_figure_for_a_multilabel_says_so_in_one_line(fixture, tmp_path, capsys) -> None:
    assert main(options(fixture, tmp_path)) == 0
    asked = ["--input", str(fixture.photos), "--output", str(tmp_path / "compared")]
    capsys.readouterr()
    assert main(["compare", "models:/tagged/1", "models:/tagged/1", *asked]) == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if "multilabel" in line]
    assert "only a classifier's answer is a class" in line
    assert main([*options(fixture, tmp_path), "--unit-length"]) == 2
    assert "has no setting 'unit_length'; it has threshold" in capsys.readouterr().err


def test_mean_average_precision_is_scikit_learns() -> None:
    from jobs.evaluation import label_sets
    from jobs.evaluation.label_sets import LabelSets

    photos = pd.DataFrame(
        {
            "truth": ["0 2", "", "1", "2"],
            "positions": [["2", "0", "1"], ["0", "1", "2"], ["1", "2", "0"], None],
            "scores": [[0.9, 0.8, 0.1], [0.7, 0.2, 0.1], [0.6, 0.5, 0.4], None],
            "status": ["ok", "ok", "ok", "empty"],
        }
    )
    sets = LabelSets.of(photos, 4, 0.65)
    table = label_sets.by_label(sets, ["a", "b", "c", "never"])
    assert table["label"].tolist() == ["a", "b", "c"]
    c = average_precision_score([1, 0, 0, 1], [0.9, 0.1, 0.5, -1.0])
    assert table["average_precision"].tolist() == pytest.approx([1.0, 1.0, c])
    found = label_sets.figures(sets, table)
    assert (found["precision_micro"], found["recall_micro"]) == (2 / 3, 2 / 4)
    # From 0.6 on, three of the four labels are found, with one that is wrong.
    assert found["best_threshold"] == pytest.approx(0.6)
    assert found["best_f1_micro"] == pytest.approx(2 * 0.75 * 0.75 / 1.5)
