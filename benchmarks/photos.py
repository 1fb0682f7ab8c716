"""The photos that contenders score: a folder of one's own, or photos that code makes from free ones."""

import importlib.resources
import io
import itertools
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

# What ImageNet's photos are on average, which is what a job is likely to meet.
LANDSCAPE = (500, 375)
MEAN_BYTES = 106_000
# Files between 60 and 140 % of the mean: decoding time goes with the size of the file.
SPREAD = 0.4
# Free photos that scikit-image and scikit-learn carry, those of something that a camera sees.
SOURCES = {
    "skimage": (
        "data",
        (
            "astronaut.png",
            "chelsea.png",
            "coffee.png",
            "motorcycle_left.png",
            "motorcycle_right.png",
            "rocket.jpg",
        ),
    ),
    "sklearn": ("datasets/images", ("china.jpg", "flower.jpg")),
}
SUFFIXES = frozenset({".jpg", ".jpeg"})


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """Different photos, in a fixed order; `source` says where they come from, without a path."""

    files: tuple[Path, ...]
    source: str

    @property
    def mean_kilobytes(self) -> float:
        """Mean file size in kB of 1,000 bytes."""
        return sum(file.stat().st_size for file in self.files) / len(self.files) / 1000

    def take(self, rows: int, into: Path) -> Path:
        """A folder of `rows` photos, repeated under names of their own where there are fewer; returns it.

        Row i has the same name and content in a folder of any size.
        """
        into.mkdir(parents=True)
        for row, file in zip(range(rows), itertools.cycle(self.files), strict=False):
            _link(file, into / f"{row:07d}.jpg")
        return into


def own(folder: Path) -> PhotoSet:
    """The JPEGs in `folder`, by name. Raises FileNotFoundError where there is none."""
    files = tuple(sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES))
    if not files:
        raise FileNotFoundError(f"There is no JPEG in {str(folder)!r}; --images takes a folder of JPEGs.")
    return PhotoSet(files, "the folder given by --images")


def make(count: int, into: Path) -> PhotoSet:
    """`count` JPEGs of about 500x375 and 106 kB: random crops of the free photos; the same in every run."""
    into.mkdir(parents=True)
    sources = _sources()
    files = []
    for index in range(count):
        rng = np.random.default_rng(index)
        image = _vary(sources[index % len(sources)], rng)
        target = MEAN_BYTES * rng.uniform(1 - SPREAD, 1 + SPREAD)
        file = into / f"{index:05d}.jpg"
        file.write_bytes(_encode(image, target))
        files.append(file)
    return PhotoSet(tuple(files), "crops of the free photos of scikit-image and scikit-learn")


def make_tiny(count: int, size: tuple[int, int] = (64, 48)) -> list[bytes]:
    """`count` different JPEGs of `size` (width, height) and less than 1 kB: one colour with a stripe."""
    contents = []
    for index in range(count):
        rng = np.random.default_rng(index)
        pixels = np.empty((size[1], size[0], 3), np.uint8)
        pixels[:] = rng.integers(20, 236, 3)
        pixels[:, : 4 + index % (size[0] // 2)] = rng.integers(0, 256, 3)
        contents.append(_jpeg(Image.fromarray(pixels), 80))
    return contents


def _sources() -> list[Image.Image]:
    images = []
    for package, (folder, names) in SOURCES.items():
        place = importlib.resources.files(package).joinpath(folder)
        images += [Image.open(io.BytesIO(place.joinpath(name).read_bytes())).convert("RGB") for name in names]
    return images


def _vary(source: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A crop of the photo, resized, sometimes mirrored or upright, brighter or darker, with a sensor's noise."""
    width, height = LANDSCAPE if rng.random() < 0.75 else LANDSCAPE[::-1]
    largest = min(source.width / width, source.height / height)
    scale = largest * rng.uniform(0.6, 1.0)
    left = rng.uniform(0, source.width - width * scale)
    top = rng.uniform(0, source.height - height * scale)
    box = (left, top, left + width * scale, top + height * scale)
    image = source.resize((width, height), Image.Resampling.BICUBIC, box=box)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.7, 1.3))
    noisy = np.asarray(image, np.float32) + rng.normal(0, 5, (height, width, 3)).astype(np.float32)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def _encode(image: Image.Image, target_bytes: float) -> bytes:
    """The JPEG whose size comes nearest to the target, by its quality."""
    low, high = 30, 98
    tried = []
    while low <= high:
        quality = (low + high) // 2
        tried.append(_jpeg(image, quality))
        low, high = (quality + 1, high) if len(tried[-1]) < target_bytes else (low, quality - 1)
    return min(tried, key=lambda content: abs(len(content) - target_bytes))


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(file, target)
