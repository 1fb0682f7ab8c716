"""The photos of a version's self-test, which code draws, and their answers on this machine.

None of the scientist's own: whoever may read the registry reads them. What is drawn takes the same code.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..engines import Engine, Images, Outputs, Precision, device
from ..engines.device import Device
from ..photos.status import RowFault
from ..transforms.preprocess import Preprocess
from ..worker.choices import DecodeChoice
from ..worker.image_model import ImageModel
from ..worker.proving import by_pillow
from ..worker.selftest import (
    GoldenPhoto,
    Infer,
    SelfTest,
    SelfTestError,
    Way,
    answer,
    relative_difference,
    this_machine,
)
from .errors import PackagingError
from .measuring import open_measured
from .offering import Offering

# Two cost a worker two of the millions that it infers; they are of different sizes, and of different formats.
INFERRED = 2
LONGEST_EDGE = 1024
# What packaging allows between torch and OpenVINO too. Processors differ by 1e-6 and less.
F32_TOLERANCE = 1e-3
# A right answer of bf16 is about as far from f32's as this machine's, so two are at most twice as far from each other;
# int8's sums are whole numbers, of which few are rounded the other way.
FACTORS = {Precision.BF16: 2.0, Precision.INT8: 0.5}
# Four roundings of bf16.
FLOOR = 2.0**-6


def draw(preprocess: Preprocess) -> dict[str, bytes]:
    """Name -> bytes: a photo of each way of storing pixels that takes other code to decode.

    One is more than two times as large as the graph's input, so that it may be decoded reduced.
    """
    height, width = preprocess.output_size
    large = _drawn(min(LONGEST_EDGE, width * 5 // 2), min(LONGEST_EDGE, height * 13 // 5))
    image, small = _drawn(237, 171), _drawn(97, 61)
    grey = small.convert("L")
    return {
        "420.jpg": _encoded(large, "JPEG", quality=80, subsampling="4:2:0"),
        "rgb.png": _encoded(small, "PNG"),
        "422.jpg": _encoded(image, "JPEG", quality=75, subsampling="4:2:2"),
        "progressive-444.jpg": _encoded(image, "JPEG", quality=92, subsampling="4:4:4", progressive=True),
        "grey.jpg": _encoded(grey, "JPEG", quality=85),
        "cmyk.jpg": _encoded(small.convert("CMYK"), "JPEG", quality=85),
        "grey-16.png": _encoded(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "PNG"),
        "palette.gif": _encoded(small.quantize(64), "GIF"),
        "lossy.webp": _encoded(small, "WEBP", quality=80),
        "deflated.tif": _encoded(small, "TIFF", compression="tiff_deflate"),
        "plain.bmp": _encoded(small, "BMP"),
    }


def answered(model: ImageModel, graphs: Path, offering: Offering) -> SelfTest:
    """The self-test of the version whose graphs these are, as this machine answers it.

    `model`: the wrapper as the workers will have it. Raises PackagingError where this machine lacks a precision.
    """
    ways = {choice: by_pillow(model, DecodeChoice(choice)) for choice in offering.decodes}
    photos = tuple(_golden(name, content, ways) for name, content in draw(model.preprocess).items())
    images = _inferred(photos, ways[DecodeChoice.FULL])
    outputs = _outputs(images, model, graphs, offering.precisions) if len(images) else {}
    tolerances = {
        precision: _tolerance(precision, outputs[Precision.F32], found)
        for precision, found in outputs.items()
    }
    return SelfTest(photos, outputs, tolerances, this_machine())


def hold(model: ImageModel, graphs: Path, offering: Offering) -> None:
    """Have a fresh version pass its own self-test, with one thread as most workers have it.

    Raises PackagingError where it does not: it would score nothing anywhere.
    """
    golden = SelfTest.find(graphs)
    assert golden is not None
    here = Device("cpu")
    try:
        images = [
            golden.check_pixels(by_pillow(model, DecodeChoice(each)), each) for each in offering.decodes
        ]
        for precision in offering.precisions:
            engine = open_measured(graphs, here, Precision(precision))
            golden.check_outputs(images[0], _infer(model, engine), here, precision)
    except SelfTestError as error:
        raise PackagingError(f"The version fails its own self-test on this machine. {error}") from error


def _drawn(width: int, height: int) -> Image.Image:
    """Ramps, edges and a fine pattern, in whole numbers only."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    red = x * 255 // max(1, width - 1)
    green = y * 255 // max(1, height - 1)
    blue = abs((x + 2 * y) % 128 - 64) * 3
    disc = (x - width // 3) ** 2 + (y - height // 2) ** 2 < (min(width, height) // 4) ** 2
    stripes = (x // 9 + y // 7) % 2 * 90
    pixels = np.stack([np.where(disc, 255 - red, red), np.where(disc, stripes, green), blue], axis=2)
    return Image.fromarray(pixels.astype(np.uint8))


def _encoded(image: Image.Image, format: str, **how: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **how)
    return buffer.getvalue()


def _golden(name: str, content: bytes, ways: dict[str, Way]) -> GoldenPhoto:
    decoded = {choice: way.decode(content) for choice, way in ways.items()}
    prepared = {
        choice: answer(photo if isinstance(photo, RowFault) else ways[choice].prepare(photo))
        for choice, photo in decoded.items()
    }
    return GoldenPhoto(name, content, {choice: answer(photo) for choice, photo in decoded.items()}, prepared)


def _inferred(photos: Sequence[GoldenPhoto], way: Way) -> list[Images]:
    found = SelfTest(tuple(photos), {}, {}, {}).check_pixels(way, DecodeChoice.FULL)
    return [image for _, image in found[:INFERRED]]


def _infer(model: ImageModel, engine: Engine) -> Infer:
    return lambda images: model.comparable(engine.submit(images)())


def _outputs(
    images: Sequence[Images], model: ImageModel, graphs: Path, precisions: Sequence[str]
) -> dict[str, Outputs]:
    """Of each precision; none where they are no numbers, which nothing can be held to."""
    here = Device("cpu", threads=device.threads())
    batch = np.stack(images)
    engines = {name: open_measured(graphs, here, Precision(name)) for name in precisions}
    outputs = {name: _infer(model, engine)(batch) for name, engine in engines.items()}
    return outputs if all(np.isfinite(found).all() for found in outputs.values()) else {}


def _tolerance(precision: str, reference: Outputs, found: Outputs) -> float:
    """How far another machine's outputs may be off, as a share of the largest; see docs/self-test.md."""
    if precision == Precision.F32:
        return F32_TOLERANCE
    off = max(relative_difference(*pair) for pair in zip(reference, found, strict=True))
    return max(FLOOR, FACTORS[Precision(precision)] * off)
