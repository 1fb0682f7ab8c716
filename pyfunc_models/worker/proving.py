"""A wrapper answers its version's golden photos, in each way that it reads photos, before it reads any other in it."""

from functools import partial
from typing import Any, Protocol

from ..engines import Engine
from ..engines.device import Device
from ..photos.status import RowFault
from ..transforms import usual_photo
from ..transforms.compiled_resample import COMPILER, Compiler
from ..transforms.preprocess import Preprocess
from ..transforms.usual_photo import Photo
from .choices import DecodeChoice
from .selftest import SelfTest, Way, once


class Reader(Protocol):
    """What is asked of an ImageModel."""

    golden: SelfTest | None
    preprocess: Preprocess

    def decode_by_pillow(self, content: bytes | None, choice: DecodeChoice) -> Photo | RowFault:
        """Bytes of a photo -> RGB photo, or why not."""


def by_pillow(model: Reader, choice: DecodeChoice) -> Way:
    """How any photo may be read, and the first ones of each process are.

    Without a transform of the scientist's own: that may throw dice, count, or wait for something.
    """
    prepare = partial(usual_photo.transform, spec=model.preprocess)
    return Way("Pillow", partial(model.decode_by_pillow, choice=choice), prepare)


def prove(
    model: Any, engine: Engine, here: Device, precision: str, choice: DecodeChoice = DecodeChoice.FULL
) -> None:
    """Once for each process and choice: the golden photos by Pillow and by the engine. Raises SelfTestError."""
    golden: SelfTest | None = model.golden
    if golden is None:
        return
    if choice is not DecodeChoice.FULL:
        once((model.verified, choice), lambda: golden.check_pixels(by_pillow(model, choice), choice))
    # The graph's answers are those for pixels that were decoded in full.
    full = by_pillow(model, DecodeChoice.FULL)
    once(
        (model.verified, here, precision),
        lambda: golden.check_outputs(
            golden.check_pixels(full, DecodeChoice.FULL),
            lambda images: model.comparable(engine.submit(images)()),
            here,
            precision,
        ),
    )


def prove_usual(model: Any) -> None:
    """Once for each process, when it first reads a photo around Pillow: that makes the same pixels."""
    if model.golden is not None:
        once((model.verified, "usual"), lambda: check_usual(model))


def check_usual(model: Reader, compiler: Compiler = COMPILER) -> None:
    """Raises SelfTestError where the way around Pillow makes other pixels of the golden photos."""

    def decode(content: bytes) -> Photo | RowFault:
        pixels = usual_photo.decode(content, compiler)
        return model.decode_by_pillow(content, DecodeChoice.FULL) if pixels is None else pixels

    prepare = partial(usual_photo.transform, spec=model.preprocess, compiler=compiler)
    if model.golden is not None:
        way = Way("simplejpeg and the compiled resize", decode, prepare)
        model.golden.check_pixels(way, DecodeChoice.FULL)
