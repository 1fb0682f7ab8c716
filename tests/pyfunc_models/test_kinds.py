"""What each kind makes of the graph's outputs, and what it is told when a version is registered."""

import json
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import torch

from mlruns_fixture import LABELS, PLAIN, PREPROCESS, ColourNet
from pyfunc_models.kinds.embedder import ImageEmbedder
from pyfunc_models.kinds.multilabel import ImageMultilabel, sigmoid
from pyfunc_models.packaging import PackageOptions, PackagingError, package
from pyfunc_models.worker.image_model import LABELS as LABELS_FILE
from registry.trust.packaged import PackagedModel


def packaged(into: Path, kind: str, **settings) -> Path:
    labels = LABELS if kind in ("classifier", "multilabel") else None
    return package(
        ColourNet(), PREPROCESS, labels, into=into, options=PackageOptions(kind=kind, settings=settings)
    )


def multilabel(threshold: float) -> ImageMultilabel:
    model = ImageMultilabel()
    model.labels, model.settings = np.array(["a", "b", "c"], dtype=object), {"threshold": threshold}
    return model


LOGITS = np.array([[0.0, 2.0, -1.0], [-9.0, -9.0, -9.0], [5.0, 5.0, 5.0]], dtype=np.float32)


def test_a_photo_gets_each_label_whose_sigmoid_reaches_the_threshold_in_falling_order() -> None:
    found = multilabel(0.5).columns(LOGITS, {})
    assert found["labels"] == [["b", "a"], [], ["a", "b", "c"]]
    expected = torch.sigmoid(torch.from_numpy(LOGITS)).numpy()
    np.testing.assert_allclose(found["scores"][0], expected[0, [1, 0]], atol=1e-7)
    assert found["scores"][0].dtype == np.float32
    assert multilabel(0.51).columns(LOGITS, {"label_as": "index"})["labels"] == [["1"], [], ["0", "1", "2"]]


def test_all_labels_are_there_where_a_threshold_is_measured() -> None:
    found = multilabel(0.9).columns(LOGITS, {"all_labels": True})
    assert found["labels"] == [["b", "a", "c"], ["a", "b", "c"], ["a", "b", "c"]]


def test_no_logit_is_too_large_for_a_sigmoid() -> None:
    with np.errstate(all="raise"):
        assert sigmoid(np.array([-80.0, 0.0, 80.0], dtype=np.float32)).tolist() == pytest.approx([0, 0.5, 1])


def test_agreement_is_of_the_labels_that_a_photo_gets() -> None:
    other = LOGITS + np.array([[-0.1, 0, 0], [0, 0, 0], [0, 0, -6]], dtype=np.float32)
    found = multilabel(0.5).agreement(LOGITS, other)
    assert (found["agreement"], found["same_labels"]) == (2 * 3 / (5 + 3), 1 / 3)
    nothing = np.full((2, 3), -9, dtype=np.float32)
    assert multilabel(0.5).agreement(nothing, nothing)["agreement"] == 1


def test_a_vector_of_unit_length_keeps_its_direction_and_nothing_is_divided_by_zero() -> None:
    model = ImageEmbedder()
    model.settings = {"unit_length": True, "round_to": "f16"}
    vectors = np.array([[3.0, 4.0], [0.0, 0.0], [1e30, 0.0]], dtype=np.float32)
    found = np.stack(model.columns(vectors, {})["embedding"])
    assert found.dtype == np.float32
    assert found.tolist() == [[float(np.float16(0.6)), float(np.float16(0.8))], [0, 0], [1, 0]]
    model.settings = {}
    np.testing.assert_array_equal(np.stack(model.columns(vectors, {})["embedding"]), vectors)


def test_what_a_kind_was_told_is_in_the_model_its_digest_and_its_tags(tmp_path: Path) -> None:
    low, high = (
        packaged(tmp_path / f"{threshold}", "multilabel", threshold=threshold) for threshold in (0.3, 0.95)
    )
    found = [PackagedModel.read(each) for each in (low, high)]
    assert found[0].model_digest != found[1].model_digest
    assert [each.as_tags()["stagewright.setting.threshold"] for each in found] == ["0.3", "0.95"]
    photos = pd.DataFrame({"content": [PLAIN["grey-64x48.jpg"], None]})
    answers = [mlflow.pyfunc.load_model(str(each)).predict(photos) for each in (low, high)]
    assert [len(each["labels"][0]) for each in answers] == [4, 0]
    assert all(list(each["labels"][1]) == [] for each in answers)
    assert answers[0]["status"].tolist() == ["ok", "missing"]
    assert json.loads((low / "artifacts" / "model" / LABELS_FILE).read_text()) == list(LABELS)


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("classifier", {"threshold": 0.5}, "has no setting 'threshold'; it has none"),
        ("multilabel", {"threshold": 1.5}, "threshold is 1.5; it must be a number above 0 and below 1"),
        ("multilabel", {"unit_length": True}, "has no setting 'unit_length'; it has threshold"),
        ("embedder", {"round_to": "f8"}, "round_to is 'f8'; it must be 'f16'"),
        ("embedder", {"round_to": "f16"}, "goes with unit_length only"),
    ],
)
def test_what_a_kind_cannot_be_told_is_refused_before_anything_is_exported(
    kind: str, settings: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(PackagingError, match=said):
        packaged(tmp_path / "refused", kind, **settings)
    assert not (tmp_path / "refused").exists()
