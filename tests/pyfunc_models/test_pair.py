"""Two versions in one model: each answers as it does alone, of a photo that is decoded once."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
import pytest
import torch
from PIL import Image, ImageDraw

from mlruns_fixture import LABELS, ODD, PLAIN, PREPROCESS, ColourNet
from pyfunc_models import carried
from pyfunc_models.packaging import OwnCode, PackageOptions, package
from pyfunc_models.pairs.packing import package_pair, share_decoder
from pyfunc_models.pairs.pair import Pair
from pyfunc_models.transforms.compiled_resample import WORTH_COMPILING
from pyfunc_models.worker import manifest

CONTENTS = [*PLAIN.values(), *(content for content, _ in ODD.values()), None]
LARGER = replace(PREPROCESS, resize=64, crop=(48, 56), interpolation="bicubic")


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("versions")
    return {
        "soft": package(ColourNet(), PREPROCESS, LABELS, into=folder / "soft"),
        "sharp": package(ColourNet(4.0), LARGER, LABELS, into=folder / "sharp"),
    }


def paired(a: Path, b: Path, into: Path) -> Pair:
    pair = mlflow.pyfunc.load_model(str(package_pair(a, b, into))).unwrap_python_model()
    return pair


def alone(model: Path) -> pd.DataFrame:
    return mlflow.pyfunc.load_model(str(model)).predict(pd.DataFrame({"content": CONTENTS}))


def side(answers: pd.DataFrame, name: str) -> pd.DataFrame:
    return answers[[f"{name}_{column}" for column in ("label", "score", "status", "error")]].rename(
        columns=lambda column: column.removeprefix(f"{name}_")
    )


def ask(pair: Pair, contents: list[bytes | None] = CONTENTS, **params: Any) -> pd.DataFrame:
    return pair.predict(None, pd.DataFrame({"content": contents}), params)


@pytest.mark.parametrize("batch_size", [0, 3])
def test_each_side_answers_as_it_does_alone(versions, tmp_path, batch_size: int) -> None:
    answers = ask(paired(versions["soft"], versions["sharp"], tmp_path / "pair"), batch_size=batch_size)
    for name, version in (("a", "soft"), ("b", "sharp")):
        expected = alone(versions[version])[["label", "score", "status", "error"]]
        pd.testing.assert_frame_equal(side(answers, name), expected, check_dtype=False, atol=1e-5)
    assert answers["a_class_index"].tolist()[: len(PLAIN)] == [
        LABELS.index(name.partition("-")[0]) for name in PLAIN
    ]
    assert set(answers[answers["a_status"] != "ok"]["a_class_index"]) == {-1}


def counted(function: Callable[..., Any], calls: list[str], name: str) -> Callable[..., Any]:
    def call(*given: Any) -> Any:
        calls.append(name)
        return function(*given)

    return call


def test_a_photo_is_decoded_once_and_prepared_by_both(versions, tmp_path, monkeypatch) -> None:
    pair = paired(versions["soft"], versions["sharp"], tmp_path / "pair")
    calls: list[str] = []
    for name, loaded in zip("ab", pair.sides, strict=True):
        for verb in ("decode", "prepare"):
            monkeypatch.setattr(
                loaded.model, verb, counted(getattr(loaded.model, verb), calls, f"{name} {verb}")
            )
    ask(pair, list(PLAIN.values()))
    assert pair.shared
    assert {call: calls.count(call) for call in set(calls)} == {
        "a decode": len(PLAIN),
        "a prepare": len(PLAIN),
        "b prepare": len(PLAIN),
    }


def blacken(image: Image.Image) -> Image.Image:
    """Draws on what it was given."""
    ImageDraw.Draw(image).rectangle((0, 0, *image.size), fill=(0, 0, 0))
    return image


def refuse_wide(image: Image.Image) -> Image.Image:
    if image.width > 150:
        raise RuntimeError("too wide for me")
    return image


def with_transform(transform: Callable[[Image.Image], Image.Image], into: Path) -> Path:
    return package(
        ColourNet(),
        PREPROCESS,
        LABELS,
        into=into,
        options=PackageOptions(own_code=OwnCode(transform=transform)),
    )


def test_a_transform_that_draws_on_the_photo_does_not_reach_the_other_side(versions, tmp_path) -> None:
    black = with_transform(blacken, tmp_path / "black")
    answers = ask(paired(black, versions["sharp"], tmp_path / "pair"))
    expected = alone(versions["sharp"])[["label", "score", "status", "error"]]
    pd.testing.assert_frame_equal(side(answers, "b"), expected, check_dtype=False, atol=1e-5)
    assert answers["a_score"].dropna().nunique() == 1


def test_many_photos_are_answered_as_they_are_alone_whatever_a_side_does_to_them(versions, tmp_path) -> None:
    """Beyond the first few a photo is decoded around Pillow, and both sides are given the same memory."""
    black = with_transform(blacken, tmp_path / "black")
    for number, pair in enumerate(([black, versions["sharp"]], [versions["sharp"], black])):
        answers = ask(paired(*pair, tmp_path / f"pair-{number}"), CONTENTS * 2)
        assert len(answers) > WORTH_COMPILING + len(PLAIN)
        for name, version in zip("ab", pair, strict=True):
            expected = pd.concat([alone(version)] * 2, ignore_index=True)[
                ["label", "score", "status", "error"]
            ]
            pd.testing.assert_frame_equal(side(answers, name), expected, check_dtype=False, atol=1e-5)


def refuse_without_exif(image: Image.Image) -> Image.Image:
    if image.getexif().get(0x0112) != 6:
        raise RuntimeError("nothing says how to turn it")
    return image


LOST = "ImageModel.decode goes around Pillow for an own transform too, which drops the EXIF"


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_side_with_a_transform_of_its_own_sees_the_exif_of_every_photo(
    versions, tmp_path, name: str
) -> None:
    turning = with_transform(refuse_without_exif, tmp_path / "turning")
    a, b = (turning, versions["soft"]) if name == "a" else (versions["soft"], turning)
    answers = ask(paired(a, b, tmp_path / "pair"), [ODD["turned.jpg"][0]] * (WORTH_COMPILING + 8))
    assert set(answers[f"{name}_status"]) == {"ok"}


def test_a_photo_that_only_one_side_refuses_is_answered_by_the_other(versions, tmp_path) -> None:
    narrow = with_transform(refuse_wide, tmp_path / "narrow")
    answers = ask(paired(narrow, versions["sharp"], tmp_path / "pair"), list(PLAIN.values()))
    for name, row in zip(PLAIN, answers.to_dict("records"), strict=True):
        wide = name.endswith("200x90.jpg")
        assert row["a_status"] == ("unsupported" if wide else "ok")
        assert ("too wide for me" in row["a_error"]) is wide
        assert (row["a_label"], row["a_class_index"]) == (
            ("", -1) if wide else (row["b_label"], row["b_class_index"])
        )
        assert (row["b_status"], row["b_label"]) == ("ok", name.partition("-")[0])


@pytest.fixture
def other_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version whose wrapper decodes by other code: it swaps red and blue."""
    changed = shutil.copytree(carried.HERE, tmp_path / "wrapper")
    decode = changed / "photos" / "decode.py"
    returned = "    return rgb if turn is None else rgb.transpose(turn)\n"
    assert returned in decode.read_text()
    swapped = '    rgb = Image.merge("RGB", rgb.split()[::-1])\n'
    decode.write_text(decode.read_text().replace(returned, swapped + returned))
    with monkeypatch.context() as patch:
        patch.setattr(carried, "HERE", changed)
        packaged = package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "swapping")
    # Its golden photos were answered by the code of this process.
    (packaged / "artifacts/model/self-test.json").unlink()
    manifest.write(packaged)
    return packaged


def test_versions_that_decode_by_other_code_decode_each_for_itself(versions, other_decoder, tmp_path) -> None:
    assert not share_decoder([versions["soft"], other_decoder])
    pair = paired(versions["soft"], other_decoder, tmp_path / "pair")
    assert not pair.shared
    answers = ask(pair, [PLAIN["red-64x48.jpg"], PLAIN["blue-64x48.jpg"], b"no photo"])
    assert answers["a_label"].tolist() == ["red", "blue", ""]
    assert answers["b_label"].tolist() == ["blue", "red", ""]
    assert answers["b_status"].tolist() == ["ok", "ok", "undecodable"]


def test_versions_that_turn_photos_differently_decode_each_for_itself(versions, tmp_path) -> None:
    turning = package(ColourNet(), replace(PREPROCESS, orientation="exif"), LABELS, into=tmp_path / "turning")
    assert share_decoder([versions["soft"], versions["sharp"]])
    assert not share_decoder([versions["soft"], turning])
    answers = ask(paired(versions["soft"], turning, tmp_path / "pair"))
    pd.testing.assert_series_equal(
        answers["b_score"], alone(turning)["score"], check_names=False, check_dtype=False
    )


@pytest.mark.timeout(60)
def test_a_version_registered_twice_is_compared_with_itself(tmp_path) -> None:
    twice = [package(ColourNet(7.0), PREPROCESS, LABELS, into=tmp_path / name) for name in ("first", "again")]
    answers = ask(paired(*twice, tmp_path / "pair"), CONTENTS * 2, batch_size=4)
    pd.testing.assert_frame_equal(side(answers, "a"), side(answers, "b"), check_dtype=False)
    assert set(answers["a_label"]) == {*LABELS, ""}


class Fixed(torch.nn.Module):
    """Always the same logits."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.tensor(logits))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits + 0 * images.mean(dim=(1, 2, 3))[:, None]


def test_the_class_of_a_label_that_two_classes_have_is_the_one_that_was_meant(tmp_path) -> None:
    cranes = ("crane", "dog", "crane")
    bird = package(Fixed([3.0, 1.0, 2.0]), PREPROCESS, cranes, into=tmp_path / "bird")
    machine = package(Fixed([1.0, 2.0, 3.0]), PREPROCESS, cranes, into=tmp_path / "machine")
    answers = ask(paired(bird, machine, tmp_path / "pair"), [PLAIN["red-64x48.jpg"]])
    assert (answers["a_label"][0], answers["b_label"][0]) == ("crane", "crane")
    assert (answers["a_class_index"][0], answers["b_class_index"][0]) == (0, 2)
