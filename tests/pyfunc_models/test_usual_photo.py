"""The way around Pillow: the same pixels, the same statuses, and only for what it knows."""

import io
import logging
import random
import threading

import numpy as np
import pytest
from PIL import Image

from mlruns_fixture import ODD, PLAIN
from pyfunc_models import Preprocess, usual_photo
from pyfunc_models.compiled_resample import Compiler
from pyfunc_models.decode import RowFault, decode
from pyfunc_models.engines import EngineUnavailable
from pyfunc_models.preprocess import transform

from .images import photo
from .test_fast_decode import damaged, jpeg

SPECS = (
    Preprocess.of(resize=256, crop=224),
    Preprocess.of(resize=64, crop=64, interpolation="bicubic"),
    Preprocess(resize=(40, 70)),
    Preprocess.of(crop=48),
)


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    return Compiler(worth=0)


def by_pillow(content: bytes | None, spec: Preprocess) -> np.ndarray | RowFault:
    image = decode(content)
    return image if isinstance(image, RowFault) else transform(image, spec)


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("size", [(500, 375), (375, 500), (97, 61), (64, 64), (300, 40)])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0, "progressive": True}], ids=str)
def test_pixels_are_those_of_pillow_and_torchvisions_chain(compiler, spec, size, options) -> None:
    content = jpeg(photo(*size), **options)
    found = usual_photo.read(content, spec, compiler)
    if found is None:  # a crop that reaches beyond the photo is padded by Pillow
        assert spec.crop is not None
        assert spec.resize is None
        assert min(size) < 48
        return
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, by_pillow(content, spec))


def test_every_photo_that_is_not_usual_is_left_to_pillow(compiler) -> None:
    spec = Preprocess.of(resize=20, crop=16)
    png = io.BytesIO()
    photo(50, 40).save(png, "PNG")
    grey = jpeg(photo(50, 40).convert("L"))
    for content in (None, b"", b"no photo", png.getvalue(), grey):
        assert usual_photo.read(content, spec, compiler) is None
    turned = Preprocess.of(resize=20, crop=16, orientation="exif")
    assert usual_photo.read(jpeg(photo(50, 40)), turned, compiler) is None


@pytest.mark.parametrize("name", sorted({**PLAIN, **ODD}))
def test_the_fixtures_photos_are_read_as_by_pillow_or_not_at_all(compiler, name: str) -> None:
    content = PLAIN[name] if name in PLAIN else ODD[name][0]
    spec = Preprocess.of(resize=40, crop=32)
    found = usual_photo.read(content, spec, compiler)
    if found is not None:
        np.testing.assert_array_equal(found, by_pillow(content, spec))


def test_a_damaged_photo_has_pillows_pixels_or_is_left_to_it(compiler) -> None:
    dice = random.Random(0)
    spec = Preprocess.of(resize=40, crop=32)
    sources = [jpeg(photo(90, 70), **options) for options in ({}, {"progressive": True}, {"subsampling": 0})]
    read = 0
    for _ in range(600):
        content = damaged(dice.choice(sources), dice)
        found = usual_photo.read(content, spec, compiler)
        if found is not None:
            np.testing.assert_array_equal(found, by_pillow(content, spec), err_msg=content.hex())
            read += 1
    assert read > 40


def test_without_the_decoder_all_is_left_to_pillow_and_it_says_so_once(
    compiler, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    def missing() -> None:
        raise EngineUnavailable("no simplejpeg")

    monkeypatch.setattr(usual_photo, "_no_decoder", threading.Event())
    monkeypatch.setattr(usual_photo.fast_decode, "library", missing)
    content = jpeg(photo(50, 40))
    with caplog.at_level(logging.WARNING):
        found = [usual_photo.read(content, Preprocess.of(resize=20, crop=16), compiler) for _ in range(3)]
    assert found == [None] * 3
    assert len(caplog.records) == 1
    assert "pip install simplejpeg, on every executor too" in caplog.text


def test_an_own_transform_is_given_pillows_photo_however_many_there_are() -> None:
    from pyfunc_models.image_model import OwnCode, model_class

    model = model_class("classifier").__new__(model_class("classifier"))
    model.preprocess, given = Preprocess.of(resize=20, crop=16), []

    def own(image: Image.Image) -> Image.Image:
        given.append(image.size)
        return image

    content = jpeg(photo(50, 40))
    model.own_code = OwnCode(transform=own)
    for _ in range(40):
        model.read(content)
    assert given == [(50, 40)] * 40
    model.own_code = OwnCode()
    expected = by_pillow(content, model.preprocess)
    for _ in range(40):  # the first of them by Pillow, the others around it
        np.testing.assert_array_equal(model.read(content), expected)
