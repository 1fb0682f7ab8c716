"""What a precision costs: its answers held against f32's, on photos, when the model is packaged."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..engines import Engine, EngineUnavailable, Images, Outputs, Precision, device, open_engine
from ..engines.device import Device
from ..photos import formats
from ..photos.status import RowFault
from ..worker import manifest
from ..worker.choices import DecodeChoice
from ..worker.frames import Placed
from ..worker.image_model import ImageModel
from .errors import PackagingError, PrecisionRefused

# Of 20 photos one alone is 5 points of agreement. It is the least, not enough: NNCF's default calibrated on 20 lost
# 3 points of accuracy (mean of three draws, 100 photos each), on 50 none.
MIN_PHOTOS = 20
# NNCF's own default; more of them change the ranges no further.
MAX_CALIBRATION = 300
# Files read at once: large photos must not add up.
CHUNK = 32
# A precision that changes more than one label of 20 is another model. EfficientNet-lite0, whose accuracy on 200
# photos neither bf16 nor int8 changes by more than half a point, keeps 95 to 99 % of its labels on 100 or 200.
DEFAULT_MIN_AGREEMENT = 0.95
# What a choice is held against, where that is not f32.
_REFERENCES = {DecodeChoice.REDUCED.value: DecodeChoice.FULL.value}


@dataclass(frozen=True, slots=True)
class GoldenPhotos:
    """Photos that int8 is calibrated on, and others on which every precision is measured.

    Which part a photo is in depends on its bytes alone, not on its name or place; copies count once.
    """

    calibration: tuple[Path, ...]
    measured: tuple[Path, ...]

    @classmethod
    def find(cls, folder: Path, *, calibrate: bool) -> "GoldenPhotos":
        """All photos below `folder`: half of them, but at most 300, to calibrate on where that is asked for.

        Raises PackagingError on fewer than 20 for each part.
        """
        photos = _distinct(folder)
        needed = 2 * MIN_PHOTOS if calibrate else MIN_PHOTOS
        if len(photos) < needed:
            parts = (
                f"{MIN_PHOTOS} to calibrate int8 and {MIN_PHOTOS} others" if calibrate else f"{MIN_PHOTOS}"
            )
            raise PackagingError(
                f"There are {len(photos)} different photos in {str(folder)!r}; measuring takes at least {parts}, "
                "better 200, of the kind that the model will see."
            )
        step = max(2, -(-len(photos) // MAX_CALIBRATION))
        chosen = photos[::step] if calibrate else ()
        return cls(chosen, tuple(photo for photo in photos if photo not in set(chosen)))

    def digests(self) -> dict[str, str]:
        """SHA-256 of the photos of each part: `calibration`, where there is one, and `golden`."""
        parts = {"calibration": self.calibration, "golden": self.measured}
        return {name: _digest(photos) for name, photos in parts.items() if photos}


def _distinct(folder: Path) -> tuple[Path, ...]:
    """Each photo once, in the order of their SHA-256: as good as shuffled, and the same on every machine."""
    if not folder.is_dir():
        raise PackagingError(f"There is no folder {str(folder)!r} of photos to measure the precisions on.")
    found = sorted(path for path in folder.rglob("*") if path.suffix[1:].lower() in formats.suffixes())
    by_digest = {manifest.sha256(path): path for path in found if path.is_file()}
    return tuple(path for _, path in sorted(by_digest.items()))


def _digest(photos: Iterable[Path]) -> str:
    return hashlib.sha256("\n".join(manifest.sha256(photo) for photo in photos).encode()).hexdigest()


def calibration_images(model: ImageModel, photos: Sequence[Path]) -> list[Images]:
    """Uint8 [H, W, 3] of each photo, read as the worker reads it; photos that cannot be read are left out.

    Raises PackagingError where fewer than 20 can be.
    """
    read = [model.read(photo.read_bytes()) for photo in photos]
    images = [
        each.pixels if isinstance(each, Placed) else each for each in read if not isinstance(each, RowFault)
    ]
    enough(len(images), [image for image in read if isinstance(image, RowFault)])
    return images


def measure(
    model: ImageModel, graphs: Path, precisions: Sequence[str], photos: Sequence[Path]
) -> dict[str, dict[str, float]]:
    """For each precision but f32: the number of `photos`, and the kind's figures of agreement with f32.

    Runs what the worker runs, on this machine's CPU. Raises PackagingError where it lacks a precision, or where
    fewer than 20 photos can be read.
    """
    here = Device("cpu", threads=device.threads())
    engines = {precision: open_measured(graphs, here, Precision(precision)) for precision in precisions}
    parts: dict[str, list[Outputs]] = {precision: [] for precision in precisions}
    faults: list[RowFault] = []
    for contents in chunks(photos):
        for precision, engine in engines.items():
            scored = model.infer(contents, engine, here, {})
            if scored.outputs is not None:
                parts[precision].append(scored.outputs)
        faults += scored.faults.values()
    read = len(photos) - len(faults)
    enough(read, faults)
    outputs = {precision: np.concatenate(found) for precision, found in parts.items()}
    reference = outputs.pop(Precision.F32)
    return {
        precision: {"photos": read, **rounded(model.agreement(reference, found))}
        for precision, found in outputs.items()
    }


def hold_to(measured: dict[str, dict[str, float]], min_agreement: float) -> None:
    """Raises PrecisionRefused, with the figures, on the first choice that agrees less with its reference."""
    for choice, figures in measured.items():
        # Not a number agrees with nothing.
        if not figures["agreement"] >= min_agreement:
            shown = ", ".join(
                f"{name.replace('_', ' ')} {value:g}"
                for name, value in figures.items()
                if name not in ("agreement", "photos")
            )
            raise PrecisionRefused(
                f"{choice} agrees with {_REFERENCES.get(choice, Precision.F32)} to {figures['agreement']:.3f} on "
                f"{figures['photos']:g} photos, less than the floor of {min_agreement:g} ({shown}). Leave {choice} "
                f"out, or lower the floor with --min-agreement; for int8 more calibration photos may help."
            )


def open_measured(graphs: Path, here: Device, precision: Precision) -> Engine:
    """The engine to measure with. Raises PackagingError where this machine lacks what the precision takes."""
    try:
        return open_engine(graphs, here, precision)
    except EngineUnavailable as error:
        raise PackagingError(
            f"{precision} cannot be measured on this machine, so it cannot be packaged here. {error}"
        ) from error


def chunks(photos: Sequence[Path]) -> Iterator[list[bytes]]:
    """The photos' bytes, CHUNK at a time."""
    for start in range(0, len(photos), CHUNK):
        yield [photo.read_bytes() for photo in photos[start : start + CHUNK]]


def enough(read: int, faults: Sequence[RowFault]) -> None:
    """Raises PackagingError, with the first of the faults, where fewer than 20 photos were read."""
    if read < MIN_PHOTOS:
        why = (
            f"; of the {len(faults)} others the first is {faults[0].status}: {faults[0].error}"
            if faults
            else ""
        )
        raise PackagingError(
            f"Only {read} golden photos can be read{why}. Measuring takes at least {MIN_PHOTOS}."
        )


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """To six digits after the point, as tags keep them."""
    return {name: round(float(value), 6) for name, value in figures.items()}
