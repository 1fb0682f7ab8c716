"""The chain in front of a model, as data: resize, centre crop, scale to [0, 1], normalise.

A `Preprocess` is saved as JSON beside the weights and gives the pixels of torchvision's PIL chain to the bit.
Nothing here imports torch or torchvision: a worker on OpenVINO has no use for either.
"""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..photos.decode import Orientation
from ..photos.reduced import REDUCED
from . import resamplings
from .checked import Channels, Pair, channels, is_length, json_object, length_or_pair, one_of, pair
from .recipes import read_torchvision
from .resample import Box, resize_and_crop
from .resamplings.resampling import Resampling

CropRounding = Literal["even", "down"]

FORMAT: Final = 1
# Fields that came later, and are written only where they are not this: recipes of before keep their digests.
_LATER: Final = {"crop_rounding": "even"}


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Resize, then centre crop, then `(x / 255 - mean) / std`; every photo comes out at one size.

    `resize` is the length of the shorter edge, or (height, width), or None for none; `max_size` bounds the
    longer edge of the former. `crop` is (height, width); a photo that is smaller is padded with black.
    `orientation` says whether a photo's EXIF orientation is applied when it is decoded: Pillow and
    torchvision ignore it unless told, and so does the default. `crop_rounding`: where a crop that is half a pixel off
    the centre begins, at the even pixel as in torchvision or "down" as in transformers.
    Mean 0 and std 1, the default, leave [0, 1].

    Raises ValueError on anything else, and where the output size would depend on the photo.
    """

    resize: int | Pair | None = None
    crop: Pair | None = None
    interpolation: str = "bilinear"
    mean: Channels = (0.0, 0.0, 0.0)
    std: Channels = (1.0, 1.0, 1.0)
    orientation: Orientation = "ignore"
    max_size: int | None = None
    crop_rounding: CropRounding = "even"

    def __post_init__(self) -> None:
        # Lists become tuples and ints floats, so that equal recipes have equal digests.
        _set(self, "resize", length_or_pair("resize", self.resize))
        _set(self, "crop", None if self.crop is None else pair("crop", self.crop))
        _set(self, "mean", channels("mean", self.mean))
        _set(self, "std", channels("std", self.std))
        one_of("interpolation", self.interpolation, resamplings.names())
        one_of("orientation", self.orientation, list(get_args(Orientation)))
        one_of("crop_rounding", self.crop_rounding, list(get_args(CropRounding)))
        if not all(np.float32(value) > 0 for value in self.std):
            raise ValueError(f"Preprocess std is {self.std!r}; each of its 3 numbers must be above 0.")
        self._check_max_size()
        self._check_output_size()

    @classmethod
    def of(cls, *, crop: int | Sequence[int] | None = None, **others: Any) -> Self:
        """The same, but `crop=224` means (224, 224), as in torchvision."""
        return cls(crop=(crop, crop) if isinstance(crop, int) else crop, **others)  # type: ignore[arg-type]

    @classmethod
    def from_torchvision(cls, transforms: object) -> Self:
        """Read a `Compose`, `Sequential` or list of torchvision's transforms, or `Weights.transforms()`.

        v1 and v2 alike. Raises ValueError, with the transform's name and what is supported, on anything that
        is not the usual chain.
        """
        return cls.of(**read_torchvision(transforms))

    @property
    def output_size(self) -> Pair:
        """(height, width) of every photo after resize and crop."""
        size = self.crop or self.resize
        assert isinstance(size, tuple)
        return size

    @property
    def resampling(self) -> Resampling:
        """What `interpolation` names."""
        found = resamplings.named(self.interpolation)
        assert found is not None  # checked when this was made
        return found

    @property
    def digest(self) -> str:
        """SHA-256 of `to_json()`, in hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """One line with sorted keys: equal recipes, equal text."""
        said = {name: value for name, value in asdict(self).items() if (name, value) not in _LATER.items()}
        return json.dumps({"format": FORMAT, **said}, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote. Raises ValueError on another format and on unknown or missing keys."""
        fields = json_object(text)
        version = fields.pop("format", None)
        if version != FORMAT or isinstance(version, bool):
            raise ValueError(
                f"Preprocess has format {version!r}; this version of stagewright reads format {FORMAT}."
            )
        fields = {**_LATER, **fields}
        known = set(cls.__dataclass_fields__)
        if fields.keys() != known:
            raise ValueError(
                f"Preprocess has unknown keys {sorted(fields.keys() - known)} and lacks "
                f"{sorted(known - fields.keys())}; its keys are {sorted(known)}."
            )
        return cls(**fields)

    def _check_max_size(self) -> None:
        if self.max_size is None:
            return
        if not isinstance(self.resize, int) or not is_length(self.max_size) or self.max_size <= self.resize:
            raise ValueError(
                f"Preprocess max_size is {self.max_size!r} with resize {self.resize!r}; it bounds the longer "
                "edge and must be an int above a resize that is itself an int, the shorter edge."
            )

    def _check_output_size(self) -> None:
        if self.crop is None and not isinstance(self.resize, tuple):
            raise ValueError(
                f"Preprocess with resize {self.resize!r} and no crop gives each photo a size of its own, and "
                "a batch needs one size. Add crop=(height, width), or give resize as (height, width)."
            )


def transform(image: Image.Image, spec: Preprocess) -> npt.NDArray[np.uint8]:
    """RGB photo -> uint8 [H, W, 3] of `spec.output_size`, C-contiguous, possibly read-only.

    The same pixels, to the bit, as torchvision's Resize and CenterCrop on the PIL image; nearly the same
    where the resized photo would have more than `resample.MAX_RESIZED_PIXELS`.
    Raises ValueError on another mode than RGB.
    """
    if image.mode != "RGB":
        raise ValueError(
            f"transform got an image of mode {image.mode!r}; it takes RGB, which decode() returns."
        )
    # A photo that was decoded reduced comes out as in full: the same size, and the same part of it.
    full, extent = image.info.get(REDUCED, (image.size, None))
    size, box = resized_and_cropped(full, spec)
    return np.asarray(resize_and_crop(image, size, box, spec.resampling, extent))


def normalize(images: npt.NDArray[np.uint8], spec: Preprocess) -> npt.NDArray[np.float32]:
    """uint8 [N, H, W, 3] RGB -> float32 [N, 3, H, W], (x / 255 - mean) / std.

    The same floats, to the bit, as torchvision's ToTensor and Normalize. Raises ValueError on any other dtype
    or shape.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f"normalize got {images.dtype} {list(images.shape)}; it takes uint8 [N, H, W, 3].")
    batch, height, width, _ = images.shape
    result = np.empty((batch, 3, height, width), np.float32)
    for channel, table in enumerate(_normalized_levels(spec)):
        # A uint8 has 256 values: looking each one up is the same arithmetic, done once. "clip" lets take()
        # write straight into result, and no uint8 is out of range.
        np.take(table, images[..., channel], out=result[:, channel], mode="clip")
    return result


def resized_size(size: Pair, spec: Preprocess) -> Pair:
    """(width, height) of a photo -> (width, height) after `spec.resize`, in torchvision's arithmetic.

    Source: torchvision.transforms.functional._compute_resized_output_size. Where `max_size` would leave an
    edge of 0 pixels, which torchvision fails on, the edge is 1.
    """
    if spec.resize is None:
        return size
    if isinstance(spec.resize, tuple):
        return spec.resize[1], spec.resize[0]
    short, long = min(size), max(size)
    new_short, new_long = spec.resize, int(spec.resize * long / short)
    if spec.max_size is not None and new_long > spec.max_size:
        new_short, new_long = max(1, int(spec.max_size * new_short / new_long)), spec.max_size
    return (new_short, new_long) if size[0] <= size[1] else (new_long, new_short)


def resized_and_cropped(size: Pair, spec: Preprocess) -> tuple[Pair, Box]:
    """(width, height) of a photo -> its size after `spec.resize`, and which part of that `spec.crop` leaves."""
    width, height = resized_size(size, spec)
    return (width, height), _crop_box((width, height), spec)


def _crop_box(size: Pair, spec: Preprocess) -> Box:
    """(left, top, right, bottom) of the centre crop; Pillow's crop adds the black outside."""
    crop = spec.crop or (size[1], size[0])
    rounded = round if spec.crop_rounding == "even" else math.floor
    left, top = _crop_start(size[0], crop[1], rounded), _crop_start(size[1], crop[0], rounded)
    return left, top, left + crop[1], top + crop[0]


def _crop_start(length: int, crop: int, rounded: Callable[[float], int]) -> int:
    return -((crop - length) // 2) if crop > length else rounded((length - crop) / 2.0)


def _normalized_levels(spec: Preprocess) -> npt.NDArray[np.float32]:
    """float32 [3, 256]: what each uint8 becomes in each channel."""
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    mean, std = np.array([spec.mean, spec.std], np.float32)
    normalized: npt.NDArray[np.float32] = (levels - mean[:, None]) / std[:, None]
    return normalized


def _set(spec: Preprocess, field: str, value: object) -> None:
    object.__setattr__(spec, field, value)
