"""What is compiled gives Pillow's pixels to the bit, is tried before it is used, and is no one's need."""

import logging
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pyfunc_models.transforms import compiled_resample, resample
from pyfunc_models.transforms.compiled_resample import Compiler, Passes, Pixels
from pyfunc_models.transforms.resamplings import RESAMPLINGS, bicubic, names
from pyfunc_models.transforms.resamplings.resampling import Resampling

from .images import photo


@pytest.fixture(scope="module")
def passes() -> Passes:
    compiled = Compiler(worth=0).passes()
    assert compiled is not None
    return compiled


def both(
    image: Image.Image, size: tuple[int, int], box: resample.Box, by: Resampling, passes: Passes
) -> tuple[Pixels, Pixels]:
    """By Pillow itself, as torchvision calls it, and compiled."""
    found = compiled_resample.resize_and_crop(np.array(image), size, box, by, passes)
    return np.asarray(image.resize(size, by.pillow).crop(box)), found


@settings(max_examples=400, deadline=None)
@given(
    old=st.tuples(st.integers(1, 160), st.integers(1, 160)),
    new=st.tuples(st.integers(1, 160), st.integers(1, 160)),
    by=st.sampled_from(RESAMPLINGS),
    dice=st.randoms(use_true_random=False),
)
def test_any_part_of_any_photo_has_pillows_pixels(passes, old, new, by, dice: random.Random) -> None:
    left, top = (dice.randrange(edge) for edge in new)
    box = left, top, dice.randint(left + 1, new[0]), dice.randint(top + 1, new[1])
    assert compiled_resample.takes(old, new, box)
    np.testing.assert_array_equal(*both(photo(*old), new, box, by, passes))


@pytest.mark.parametrize("old", [(500, 375), (375, 500), (4000, 3000), (224, 224), (1, 9000), (341, 256)])
@pytest.mark.parametrize("by", RESAMPLINGS, ids=names())
def test_photos_of_usual_and_of_odd_sizes_have_pillows_pixels(passes, old, by) -> None:
    size = (256, 256 * old[1] // old[0]) if old[0] <= old[1] else (256 * old[0] // old[1], 256)
    if size[0] * size[1] > resample.MAX_RESIZED_PIXELS:
        size = (256, 9000)
    box = (size[0] - 224) // 2, (size[1] - 224) // 2, (size[0] + 224) // 2, (size[1] + 224) // 2
    np.testing.assert_array_equal(*both(photo(*old), size, box, by, passes))


@pytest.mark.parametrize("by", RESAMPLINGS, ids=names())
def test_extremes_are_clipped_as_pillow_clips_them(passes, by) -> None:
    bars = np.zeros((90, 90, 3), np.uint8)
    bars[:, ::7] = bars[::5] = 255  # bicubic overshoots beside them, both ways
    for size in ((60, 40), (200, 130)):
        np.testing.assert_array_equal(*both(Image.fromarray(bars), size, (0, 0, *size), by, passes))


def test_what_it_does_not_take_is_said_before_anything_is_decoded() -> None:
    assert compiled_resample.takes((500, 375), (341, 256), (58, 16, 282, 240))
    for box in ((-1, 0, 224, 224), (0, 0, 342, 224), (0, 40, 224, 264), (5, 5, 5, 9)):
        assert not compiled_resample.takes((500, 375), (341, 256), box)
    assert not compiled_resample.takes((1, 65_535), (256, 16_776_960), (16, 8_388_368, 240, 8_388_592))


def test_an_older_pillow_keeps_what_it_orders_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    taller = (100, 200), (150, 100), (0, 0, 150, 100)
    assert compiled_resample.takes(*taller)
    monkeypatch.setattr(compiled_resample, "_KNOWS_BOTH_ORDERS", False)
    assert not compiled_resample.takes(*taller)
    assert compiled_resample.takes((200, 100), (100, 150), (0, 0, 100, 150))


def test_the_first_photos_are_left_to_pillow_and_it_is_compiled_once() -> None:
    compiler = Compiler(worth=3)
    assert [compiler.passes() for _ in range(3)] == [None] * 3
    compiled = compiler.passes()
    assert compiled is not None
    assert compiler.passes() is compiled


def test_nobody_waits_for_a_thread_that_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = threading.Event(), threading.Event()
    real = compiled_resample._compiled

    def slowly() -> Passes:
        begun.set()
        assert go.wait(60)
        return real()

    monkeypatch.setattr(compiled_resample, "_compiled", slowly)
    compiler = Compiler(worth=0)
    with ThreadPoolExecutor(1) as pool:
        compiling = pool.submit(compiler.passes)
        assert begun.wait(60)
        assert compiler.passes() is None
        go.set()
        assert compiling.result(60) is not None
    assert compiler.passes() is compiling.result()


def test_threads_do_not_disturb_each_other(passes: Passes) -> None:
    photos = [np.array(photo(200 + 7 * i, 300 - 5 * i, seed=i)) for i in range(24)]

    def resized(pixels: Pixels) -> Pixels:
        box = 5, 15, 95, 105
        return compiled_resample.resize_and_crop(pixels, (100, 120), box, bicubic.RESAMPLING, passes)

    alone = [resized(pixels) for pixels in photos]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for expected, found in zip(alone, pool.map(resized, photos), strict=True):
                np.testing.assert_array_equal(found, expected)


def test_pixels_other_than_pillows_are_told_and_never_used(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    real = compiled_resample._compiled()

    def off_by_one(pixels: Pixels, along: object, given: int = 0) -> Pixels:
        return real.vertical(pixels, along, given) ^ 1  # type: ignore[arg-type]

    monkeypatch.setattr(compiled_resample, "_compiled", lambda: Passes(real.horizontal, off_by_one))
    compiler = Compiler(worth=0)
    with caplog.at_level(logging.WARNING):
        assert compiler.passes() is None
    assert "reckons in another way" in caplog.text
    assert compiler.passes() is None


def test_without_numba_it_says_what_to_install_once(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    compiler = Compiler(worth=0)
    with caplog.at_level(logging.WARNING):
        assert [compiler.passes() for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 1
    assert "pip install numba, on every executor too" in caplog.text


@pytest.mark.parametrize("error", [RuntimeError("no LLVM"), MemoryError()])
def test_a_machine_that_cannot_compile_says_so_and_reads_photos(error, monkeypatch, caplog) -> None:
    def fail() -> Passes:
        raise error

    monkeypatch.setattr(compiled_resample, "_compiled", fail)
    compiler = Compiler(worth=0)
    with caplog.at_level(logging.WARNING):
        assert [compiler.passes() for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 1
    assert f"does not compile here: {error!r}" in caplog.text


def test_numba_that_is_told_not_to_compile_is_not_used(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    from numba import config

    monkeypatch.setattr(config, "DISABLE_JIT", True)
    with caplog.at_level(logging.WARNING):
        assert Compiler(worth=0).passes() is None
    assert "NUMBA_DISABLE_JIT is set" in caplog.text


SMALL = """
import io, sys
from PIL import Image
from pyfunc_models.transforms import usual_photo
buffer = io.BytesIO()
Image.new("RGB", (40, 30)).save(buffer, "JPEG")
found = [usual_photo.decode(buffer.getvalue()) for _ in range(int(sys.argv[1]))]
print(sum(pixels is None for pixels in found), "numba" in sys.modules)
"""


@pytest.mark.parametrize(
    ("photos", "said"),
    [(compiled_resample.WORTH_COMPILING, "16 False"), (compiled_resample.WORTH_COMPILING + 4, "16 True")],
)
def test_a_job_of_few_photos_never_imports_numba(photos: int, said: str) -> None:
    command = [sys.executable, "-c", SMALL, str(photos)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said
