"""What travels answers as plain torch and torchvision do, a row for each row, through MLflow's own loader."""

import io

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torchvision import transforms

from mlruns_fixture import LABELS, ODD, PLAIN, PREPROCESS, ColourNet
from pyfunc_models.kinds import kind_names, model_class
from pyfunc_models.kinds.classifier import softmax, top_classes
from pyfunc_models.packaging import PackageOptions, package

CHAIN = transforms.Compose(
    [
        transforms.Resize(40),
        transforms.CenterCrop(32),
        transforms.ToTensor(),
        transforms.Normalize([0.5] * 3, [0.5] * 3),
    ]
)


def frame(*contents: bytes | None) -> pd.DataFrame:
    return pd.DataFrame({"content": list(contents)}, dtype=object)


def plain_logits(contents: list[bytes]) -> np.ndarray:
    images = [CHAIN(Image.open(io.BytesIO(content)).convert("RGB")) for content in contents]
    with torch.no_grad():
        return ColourNet()(torch.stack(images)).numpy()


def test_labels_and_scores_are_those_of_plain_torch(loaded: mlflow.pyfunc.PyFuncModel) -> None:
    contents = list(PLAIN.values())
    found = loaded.predict(frame(*contents))
    expected = softmax(plain_logits(contents))
    assert found["label"].tolist() == [LABELS[i] for i in expected.argmax(axis=1)]
    np.testing.assert_allclose(found["score"].astype(float), expected.max(axis=1), atol=1e-4)
    assert found["label"].tolist() == [name.partition("-")[0] for name in PLAIN]


def test_every_odd_photo_gets_its_status_and_only_good_ones_an_answer(loaded) -> None:
    contents = [content for content, _ in ODD.values()] + [None]
    found = loaded.predict(frame(*contents))
    assert found["status"].tolist() == [status for _, status in ODD.values()] + ["missing"]
    good = found["status"] == "ok"
    assert (found["error"] == "").tolist() == good.tolist()
    assert (found["label"] != "").tolist() == good.tolist()
    assert found["top"].map(len).tolist() == [4 if ok else 0 for ok in good]


def test_a_batch_of_only_bad_photos_is_answered(loaded) -> None:
    found = loaded.predict(frame(None, b""))
    assert found["status"].tolist() == ["missing", "empty"]
    assert found["label"].tolist() == ["", ""]


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_the_batch_size_changes_no_score(loaded, batch_size: int) -> None:
    contents = list(PLAIN.values())
    found = loaded.predict(frame(*contents), params={"batch_size": batch_size, "decode_threads": 3})
    expected = softmax(plain_logits(contents)).max(axis=1)
    np.testing.assert_allclose(found["score"].astype(float), expected, atol=1e-4)


def test_top_k_is_a_param_and_the_scores_fall(loaded) -> None:
    found = loaded.predict(frame(*PLAIN.values()), params={"top_k": 2})
    for top, label in zip(found["top"], found["label"], strict=True):
        assert [len(top), top[0]["label"]] == [2, label]
        assert top[0]["score"] >= top[1]["score"]


def test_more_classes_than_there_are_gives_all_of_them(loaded) -> None:
    found = loaded.predict(frame(*PLAIN.values()), params={"top_k": 99})
    assert {len(top) for top in found["top"]} == {len(LABELS)}


def test_a_precision_that_was_not_registered_is_refused_with_the_ones_that_were(loaded) -> None:
    with pytest.raises(ValueError, match=r"not registered with precision 'bf16', only with \['f32'\]"):
        loaded.predict(frame(b""), params={"precision": "bf16"})


def test_an_embedder_gives_the_graphs_own_output(tmp_path) -> None:
    packaged = package(
        ColourNet(), PREPROCESS, into=tmp_path / "embedder", options=PackageOptions(kind="embedder")
    )
    contents = list(PLAIN.values())
    found = mlflow.pyfunc.load_model(str(packaged)).predict(frame(*contents, b""))
    np.testing.assert_allclose(np.stack(found["embedding"][:-1]), plain_logits(contents), atol=1e-4)
    assert found["embedding"].iloc[-1] is None
    assert found["embedding"].iloc[0].dtype == np.float32


def test_every_kind_has_a_signature_with_status_and_params() -> None:
    assert {"classifier", "embedder"} <= set(kind_names())
    for kind in kind_names():
        signature = model_class(kind).signature()
        assert signature.inputs.input_names() == ["content"]
        assert {"status", "error"} < set(signature.outputs.input_names())
        params = {param.name for param in signature.params}
        assert {"batch_size", "decode_threads", "precision"} <= params


def test_a_kind_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match="there are"):
        model_class("oracle")


def test_softmax_does_not_overflow_and_sums_to_one() -> None:
    scores = softmax(np.array([[1000.0, 999.0, -1000.0]], dtype=np.float32))
    np.testing.assert_allclose(scores, [[0.7310586, 0.2689414, 0.0]], atol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 5, 9, 10])
def test_the_top_k_are_those_of_a_full_sort_ties_in_class_order(k: int) -> None:
    scores = np.random.default_rng(k).integers(0, 4, (50, 10)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(top_classes(scores, k), expected)
