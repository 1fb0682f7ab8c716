"""A limit of pixels that the caller chooses: larger JPEGs are decoded at a smaller scale, and the rest says why not."""

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mlruns_fixture import PLAIN
from pyfunc_models import Preprocess, RowFault, Status
from pyfunc_models.kinds import model_class
from pyfunc_models.photos import usual_jpeg
from pyfunc_models.transforms import usual_photo
from pyfunc_models.worker import image_model, photo_reader
from pyfunc_models.worker.image_model import ImageModel, OwnCode

from .images import encode, photo

USUAL = 500 * 400
"""What stands for the usual limit here, so that photos above it are small."""


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ImageModel:
    for module in (image_model, photo_reader, usual_jpeg, usual_photo):
        monkeypatch.setattr(module, "DEFAULT_MAX_PIXELS", USUAL)
    made: ImageModel = model_class("classifier")()
    made.preprocess, made.own_code = Preprocess.of(resize=64, crop=48), OwnCode()
    return made


def test_a_jpeg_above_the_usual_limit_is_decoded_at_a_smaller_scale(model: ImageModel) -> None:
    content = encode(photo(1000, 800), "JPEG")
    found = model.decode(content, max_pixels=1000 * 800)
    assert isinstance(found, Image.Image)
    assert found.size == (125, 100)
    pixels, whole = model.read(content, max_pixels=1000 * 800), model.prepare(photo(1000, 800))
    assert not isinstance(pixels, RowFault)
    assert not isinstance(whole, RowFault)
    assert np.abs(pixels.astype(int) - whole).mean() < 4


def test_without_it_and_above_it_a_jpeg_is_too_large_at_any_scale(model: ImageModel) -> None:
    content = encode(photo(1000, 800), "JPEG")
    for limit in (USUAL, 1000 * 800 - 1):
        found = model.decode(content, max_pixels=limit)
        assert isinstance(found, RowFault)
        assert found.error == f"1000 x 800 = 800000 pixels are above the limit of {limit} (--max-pixels)"


def test_a_jpeg_below_it_is_decoded_in_full(model: ImageModel) -> None:
    for mode in ("RGB", "L"):
        found = model.decode(encode(photo(500, 400).convert(mode), "JPEG"), max_pixels=10**9)
        assert usual_photo.size_of(found) == (500, 400)  # type: ignore[arg-type]


def test_a_transform_of_ones_own_and_other_formats_have_the_whole_photo(model: ImageModel) -> None:
    png, jpeg = (encode(photo(600, 400), name) for name in ("PNG", "JPEG"))
    found = model.decode(png, max_pixels=600 * 400)
    assert isinstance(found, Image.Image)
    assert found.size == (600, 400)
    model.own_code = OwnCode(transform=lambda image: image)
    found = model.decode(jpeg, max_pixels=600 * 400)
    assert isinstance(found, Image.Image)
    assert found.size == (600, 400)


@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_what_is_above_the_limit_is_told_the_option(model: ImageModel, name: str) -> None:
    found = model.decode(encode(photo(100, 80), name), max_pixels=7_999)
    assert found == RowFault(
        Status.TOO_LARGE, "100 x 80 = 8000 pixels are above the limit of 7999 (--max-pixels)"
    )


def test_the_limit_is_a_param_of_a_packaged_model(loaded: mlflow.pyfunc.PyFuncModel) -> None:
    photos = pd.DataFrame({"content": [PLAIN["red-64x48.jpg"], PLAIN["red-200x90.jpg"]]})
    assert list(loaded.predict(photos)["status"]) == ["ok", "ok"]
    found = loaded.predict(photos, params={"max_pixels": 64 * 48})
    assert list(found["status"]) == ["ok", "too_large"]
    assert found["error"][1] == "200 x 90 = 18000 pixels are above the limit of 3072 (--max-pixels)"


@pytest.mark.parametrize("error", [MemoryError(), Image.DecompressionBombError("2 x the limit")])
def test_a_photo_that_cannot_be_resized_for_want_of_memory_is_a_row(
    model: ImageModel, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise error

    monkeypatch.setattr(usual_photo, "transform", full)
    found = model.read(encode(photo(80, 60), "PNG"))
    assert isinstance(found, RowFault)
    assert found.status is Status.TOO_LARGE
    model.own_code = OwnCode(transform=full)
    own = model.read(encode(photo(80, 60), "PNG"))
    assert isinstance(own, RowFault)
    assert own.status is (Status.TOO_LARGE if isinstance(error, MemoryError) else Status.UNSUPPORTED)
