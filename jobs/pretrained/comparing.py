"""Photos prepared here against the library's own way, and what the network says to both."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from pyfunc_models import Preprocess, normalize, transform

from ..errors import InputError
from .pretrained import Pretrained

# Of values of about 1, whose steps are of 1/255 and more: two ways to round a float, and no other pixel.
TOLERANCE = 1e-4
# Multiples of what the network takes: larger and smaller photos, on their side and upright, odd and even.
_SCALES = ((1.0, 1.0), (2.3, 1.7), (1.1, 2.9), (0.6, 0.9), (1.37, 1.38))


def hold(found: Pretrained) -> None:
    """Raises InputError, with figures, where pixels or logits differ on photos that are drawn here."""
    for image in _drawn(*found.preprocess.output_size):
        ours, theirs = _here(image, found.preprocess), found.prepare(image)
        if ours.shape != theirs.shape:
            raise InputError(
                f"{_what(found)} gives {list(theirs.shape)} of a photo of {image.width} x {image.height}, and here it "
                f"comes out as {list(ours.shape)}."
            )
        _hold("pixels", found, image, ours, theirs)
        _hold("logits", found, image, *(_logits(found.module, each) for each in (ours, theirs)))


def _here(image: Image.Image, preprocess: Preprocess) -> npt.NDArray[np.float32]:
    pixels: npt.NDArray[np.float32] = normalize(transform(image, preprocess)[None], preprocess)[0]
    return pixels


def _hold(
    what: str,
    found: Pretrained,
    image: Image.Image,
    ours: npt.NDArray[np.float32],
    theirs: npt.NDArray[np.float32],
) -> None:
    difference = float(np.abs(ours - theirs).max()) / max(1.0, float(np.abs(theirs).max()))
    if not difference <= TOLERANCE:
        raise InputError(
            f"{_what(found)} prepares photos in a way that is not known here: {what} of one of {image.width} x "
            f"{image.height} differ by {difference:.2g}, of which {TOLERANCE:g} is allowed. Register with "
            "--architecture, --weights and --preprocess, or a transform of your own."
        )


def _what(found: Pretrained) -> str:
    return found.architecture.replace(":", "'s ")


def _logits(module: torch.nn.Module, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    with torch.no_grad():
        answer = module(torch.from_numpy(pixels)[None])
    logits: torch.Tensor = answer if isinstance(answer, torch.Tensor) else answer["logits"]
    return logits.float().numpy()


def _drawn(height: int, width: int) -> Iterator[Image.Image]:
    noise = np.random.default_rng(0)
    for tall, wide in _SCALES:
        size = max(1, round(height * tall)), max(1, round(width * wide)), 3
        yield Image.fromarray(noise.integers(0, 256, size, dtype=np.uint8))
