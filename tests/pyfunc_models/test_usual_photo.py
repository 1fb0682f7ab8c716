"""The way around Pillow: the same pixels, the same statuses, and only for what it knows."""

import io
import logging
import random
import subprocess
import sys
import threading
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mlruns_fixture import ODD, PLAIN
from pyfunc_models import Preprocess
from pyfunc_models.kinds import model_class
from pyfunc_models.photos.decode import RowFault, decode
from pyfunc_models.transforms import compiled_resample, usual_photo
from pyfunc_models.transforms.compiled_resample import COMPILER, WORTH_COMPILING, Compiler
from pyfunc_models.transforms.preprocess import resized_and_cropped, transform
from pyfunc_models.worker.choices import DecodeChoice
from pyfunc_models.worker.image_model import ImageModel, OwnCode

from .images import exif, photo
from .test_usual_jpeg import damaged, jpeg

SPECS = (
    Preprocess.of(resize=256, crop=224),
    Preprocess.of(resize=64, crop=64, interpolation="bicubic"),
    Preprocess(resize=(40, 70)),
    Preprocess.of(crop=48),
    Preprocess(resize=50, crop=(40, 90)),
)
TURNED = b"Exif\0\0" + exif(6)


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    """One that has compiled."""
    compiler = Compiler(worth=0)
    assert compiler.passes() is not None
    return compiler


def by_pillow(content: bytes | None, spec: Preprocess) -> np.ndarray | RowFault:
    image = decode(content)
    return image if isinstance(image, RowFault) else transform(image, spec)


def around_pillow(content: bytes | None, spec: Preprocess, compiler: Compiler) -> np.ndarray | None:
    """None where the photo is left to Pillow."""
    pixels = usual_photo.decode(content, compiler)
    return None if pixels is None else usual_photo.transform(pixels, spec, compiler)


# --- pixels


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("size", [(500, 375), (375, 500), (97, 61), (64, 64), (300, 40)])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0, "progressive": True}], ids=str)
def test_pixels_are_those_of_pillow_and_torchvisions_chain(compiler, spec, size, options) -> None:
    content = jpeg(photo(*size), **options)
    found = around_pillow(content, spec, compiler)
    assert found is not None
    assert found.shape == (*spec.output_size, 3)
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, by_pillow(content, spec))


def test_a_crop_beyond_the_photo_is_black_there_as_pillow_has_it(compiler) -> None:
    spec, content = Preprocess(resize=100, crop=(150, 90)), jpeg(photo(300, 250))
    assert not compiled_resample.takes((300, 250), *resized_and_cropped((300, 250), spec))
    found = around_pillow(content, spec, compiler)
    assert found is not None
    assert not found[:25].any()
    assert found[25:125].any()
    np.testing.assert_array_equal(found, by_pillow(content, spec))


def test_a_photo_too_thin_to_be_resized_whole_has_pillows_pixels(compiler) -> None:
    spec, content = Preprocess.of(resize=256, crop=224), jpeg(photo(1, 9000))
    assert not compiled_resample.takes((1, 9000), *resized_and_cropped((1, 9000), spec))
    found = around_pillow(content, spec, compiler)
    assert found is not None
    np.testing.assert_array_equal(found, by_pillow(content, spec))


def test_pixels_that_are_here_already_are_resized_by_pillow_where_nothing_was_compiled() -> None:
    content, spec = jpeg(photo(90, 70)), Preprocess.of(resize=40, crop=32)
    pixels, idle = np.array(decode(content)), Compiler()
    np.testing.assert_array_equal(usual_photo.transform(pixels, spec, idle), by_pillow(content, spec))
    assert idle.compiled is None


def test_a_photo_of_pillows_and_one_of_pixels_are_each_others() -> None:
    image = photo(50, 40)
    pixels = np.array(image)
    assert usual_photo.as_image(image) is image
    np.testing.assert_array_equal(np.asarray(usual_photo.as_image(pixels)), pixels)
    assert usual_photo.as_image(pixels).mode == "RGB"
    assert usual_photo.size_of(image) == usual_photo.size_of(pixels) == (50, 40)


# --- what is left to Pillow


def test_every_photo_that_is_not_usual_is_left_to_pillow(compiler) -> None:
    png = io.BytesIO()
    photo(50, 40).save(png, "PNG")
    grey, cmyk = (jpeg(photo(50, 40).convert(mode)) for mode in ("L", "CMYK"))
    for content in (None, b"", b"no photo", png.getvalue(), grey, cmyk, jpeg(photo(50, 40))[:900]):
        assert usual_photo.decode(content, compiler) is None


def test_the_first_photos_of_a_process_are_left_to_pillow() -> None:
    compiler, content = Compiler(worth=3), jpeg(photo(50, 40))
    assert [usual_photo.decode(content, compiler) is None for _ in range(5)] == [True] * 3 + [False] * 2


@pytest.mark.parametrize("name", sorted({**PLAIN, **ODD}))
def test_the_fixtures_photos_are_read_as_by_pillow_or_not_at_all(compiler, name: str) -> None:
    content = PLAIN[name] if name in PLAIN else ODD[name][0]
    spec = Preprocess.of(resize=40, crop=32)
    found = around_pillow(content, spec, compiler)
    assert (found is not None) is (name in PLAIN or name == "turned.jpg")
    if found is not None:
        np.testing.assert_array_equal(found, by_pillow(content, spec))


def test_a_damaged_photo_has_pillows_pixels_or_is_left_to_it(compiler) -> None:
    dice = random.Random(0)
    spec = Preprocess.of(resize=40, crop=32)
    sources = [jpeg(photo(90, 70), **options) for options in ({}, {"progressive": True}, {"subsampling": 0})]
    read = 0
    for _ in range(600):
        content = damaged(dice.choice(sources), dice)
        found = around_pillow(content, spec, compiler)
        if found is not None:
            np.testing.assert_array_equal(found, by_pillow(content, spec), err_msg=content.hex())
            read += 1
    assert read > 40


@pytest.fixture
def _no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usual_photo, "_no_decoder", threading.Event())
    monkeypatch.setitem(sys.modules, "simplejpeg", None)


@pytest.mark.usefixtures("_no_decoder")
def test_without_the_decoder_all_is_left_to_pillow_and_it_says_so_once(compiler, caplog) -> None:
    content = jpeg(photo(50, 40))
    with caplog.at_level(logging.WARNING):
        found = [usual_photo.decode(content, compiler) for _ in range(3)]
    assert found == [None] * 3
    assert len(caplog.records) == 1
    assert "pip install simplejpeg, on every executor too" in caplog.text


# --- in a model


@pytest.fixture
def model() -> ImageModel:
    """One that only reads, in a process that has compiled."""
    for _ in range(WORTH_COMPILING + 1):
        COMPILER.passes()
    assert COMPILER.compiled is not None
    model = model_class("classifier")()
    model.preprocess, model.own_code = Preprocess.of(resize=20, crop=16), OwnCode()
    return model


def test_a_model_reads_the_usual_photo_around_pillow_to_the_same_pixels(model) -> None:
    content = jpeg(photo(50, 40))
    assert isinstance(model.decode(content), np.ndarray)
    np.testing.assert_array_equal(model.read(content), by_pillow(content, model.preprocess))


def test_a_model_that_turns_photos_by_their_exif_leaves_those_to_pillow_and_no_others(model) -> None:
    content = jpeg(photo(50, 40), exif=TURNED)
    assert isinstance(model.decode(content), np.ndarray)
    model.preprocess = Preprocess.of(resize=20, crop=16, orientation="exif")
    seen = model.decode(content)
    assert isinstance(seen, Image.Image)
    assert seen.size == (40, 50)
    np.testing.assert_array_equal(model.read(content), transform(seen, model.preprocess))
    for straight in (
        jpeg(photo(50, 40)),
        jpeg(photo(50, 40), exif=TURNED.replace(b"\x06\0\0\0", b"\1\0\0\0")),
    ):
        assert isinstance(model.decode(straight), np.ndarray)
        np.testing.assert_array_equal(model.read(straight), by_pillow(straight, model.preprocess))
    by_xmp = jpeg(photo(50, 40), xmp=b'<x tiff:Orientation="6"/>')
    assert isinstance(model.decode(by_xmp), Image.Image)


def test_a_model_that_decodes_less_of_a_photo_leaves_it_to_pillow(model) -> None:
    reduced = model.decode(jpeg(photo(100, 80)), DecodeChoice.REDUCED)
    assert isinstance(reduced, Image.Image)
    assert reduced.size == (25, 20)


@pytest.mark.usefixtures("_no_decoder")
def test_a_model_without_the_decoder_reads_the_same_pixels(model) -> None:
    content = jpeg(photo(50, 40))
    assert isinstance(model.decode(content), Image.Image)
    np.testing.assert_array_equal(model.read(content), by_pillow(content, model.preprocess))


def test_an_own_transform_is_given_a_photo_of_pillows_however_many_there_are(model) -> None:
    given: list[np.ndarray] = []

    def own(image: Image.Image) -> Image.Image:
        assert isinstance(image, Image.Image)
        given.append(np.array(image))
        return image.crop((0, 0, 30, 40))

    content = jpeg(photo(50, 40))
    model.own_code = OwnCode(transform=own)
    pixels = np.array(decode(content))
    expected = transform(Image.fromarray(pixels[:, :30]), model.preprocess)
    for _ in range(3):
        np.testing.assert_array_equal(model.read(content), expected)
    assert len(given) == 3
    assert all((each == pixels).all() for each in given)


def test_an_own_transform_sees_a_photos_exif_and_profile_however_many_there_are(model) -> None:
    seen: list[tuple[object, object]] = []

    def own(image: Image.Image) -> Image.Image:
        seen.append((image.getexif().get(0x0112), image.info.get("icc_profile")))
        return image

    model.own_code = OwnCode(transform=own)
    model.read(jpeg(photo(50, 40), exif=TURNED, icc_profile=b"a profile"))
    assert seen == [(6, b"a profile")]


WITHOUT_TORCH = """
import sys
import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
found = model.predict(pandas.DataFrame({"content": [open(sys.argv[2], "rb").read()] * int(sys.argv[3])}))
print(set(found["status"]), *(name in sys.modules for name in ("torch", "numba", "simplejpeg")))
"""


@pytest.mark.parametrize(
    ("photos", "imported"),
    [(WORTH_COMPILING, "False False False"), (WORTH_COMPILING + 8, "False True True")],
)
def test_a_cpu_worker_of_many_photos_reads_them_around_pillow_and_without_torch(
    colours: Path, tmp_path: Path, photos: int, imported: str
) -> None:
    file = tmp_path / "red.jpg"
    file.write_bytes(PLAIN["red-64x48.jpg"])
    command = [sys.executable, "-c", WITHOUT_TORCH, str(colours), str(file), str(photos)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"{{'ok'}} {imported}", done.stderr


def test_the_answers_of_many_photos_are_those_of_each_alone(colours: Path) -> None:
    contents = [*PLAIN.values(), *(content for content, _ in ODD.values())] * 3
    loaded = mlflow.pyfunc.load_model(str(colours))
    found = loaded.predict(pd.DataFrame({"content": contents}))
    once = found.iloc[: len(contents) // 3].reset_index(drop=True)
    for part in (found.iloc[len(once) : 2 * len(once)], found.iloc[2 * len(once) :]):
        pd.testing.assert_frame_equal(part.reset_index(drop=True), once, atol=1e-6)
