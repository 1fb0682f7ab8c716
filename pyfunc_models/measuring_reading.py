"""What another way of reading photos costs: its pixels and answers held against the exact ones, at f32."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from . import device, fast_decode, fast_resample
from .decode import RowFault
from .device import Device
from .engines import Engine, EngineUnavailable, Images, Outputs, Precision
from .errors import PackagingError
from .image_model import ImageModel
from .measuring import MIN_PHOTOS, chunks, enough, open_measured, rounded
from .reading import EXACT, DecodeChoice, Reading, TransformChoice

Pair = tuple[Images, Images]


@dataclass(slots=True)
class _Found:
    """Of all photos so far: how many could be read, and of those that count the pixels' and outputs' differences."""

    photos: int = 0
    counted: int = 0
    largest_pixel: int = 0
    sum_of_means: float = 0.0
    faults: list[RowFault] = field(default_factory=list)
    reference: list[Outputs] = field(default_factory=list)
    outputs: list[Outputs] = field(default_factory=list)


def measure_readings(
    model: ImageModel, graphs: Path, readings: Mapping[str, Reading], photos: Sequence[Path]
) -> dict[str, dict[str, float]]:
    """For each reading: `photos`, pixel differences, and the kind's figures of agreement with exact reading.

    `largest_pixel_difference` and `mean_pixel_difference` are of 255, over all channels. Where photos are reduced,
    `reduced` says how many really were, and all figures but `photos` are of these. Runs what the worker runs, on
    this machine's CPU. Raises PackagingError where it lacks what a reading takes, or where fewer than 20 photos can
    be read, or were really reduced.
    """
    if not readings:
        return {}
    here = Device("cpu", threads=device.threads())
    engine = open_measured(graphs, here, Precision.F32)
    return {name: _measure(model, engine, reading, photos) for name, reading in readings.items()}


def _measure(model: ImageModel, engine: Engine, reading: Reading, photos: Sequence[Path]) -> dict[str, float]:
    if reading.transform is TransformChoice.FAST:
        _check_library()
    found = _Found()
    for contents in chunks(photos):
        pairs = [pair for content in contents if (pair := _read(model, content, reading, found)) is not None]
        _compare(model, engine, pairs, found)
    enough(found.photos, found.faults)
    figures = {"photos": float(found.photos)}
    if reading.decode is DecodeChoice.REDUCED:
        _check_reduced(found, model)
        figures["reduced"] = found.counted
    figures["largest_pixel_difference"] = found.largest_pixel
    figures["mean_pixel_difference"] = found.sum_of_means / found.counted
    agreement = model.agreement(np.concatenate(found.reference), np.concatenate(found.outputs))
    return rounded(figures | agreement)


def _check_library() -> None:
    try:
        fast_decode.library()
        fast_resample.library()
    except EngineUnavailable as error:
        raise PackagingError(
            f"The transform 'fast' cannot be measured on this machine, so it cannot be packaged here. {error}"
        ) from error


def _read(model: ImageModel, content: bytes, reading: Reading, found: _Found) -> Pair | None:
    """The photo read exactly and as `reading` says; None where it cannot be, or would be no different."""
    image, other = model.decode(content, EXACT), model.decode(content, reading)
    for photo in (image, other):
        if isinstance(photo, RowFault):
            found.faults.append(photo)
            return None
    assert not isinstance(image, RowFault)
    assert not isinstance(other, RowFault)
    found.photos += 1
    if reading.decode is DecodeChoice.REDUCED and image.size == other.size:
        return None
    exact, rough = model.prepare(image, EXACT), model.prepare(other, reading)
    if isinstance(exact, RowFault) or isinstance(rough, RowFault):
        found.photos -= 1
        found.faults += [fault for fault in (exact, rough) if isinstance(fault, RowFault)][:1]
        return None
    return exact, rough


def _compare(model: ImageModel, engine: Engine, pairs: Sequence[Pair], found: _Found) -> None:
    if not pairs:
        return
    exact, rough = (np.stack(images) for images in zip(*pairs, strict=True))
    difference = np.abs(exact.astype(np.int16) - rough)
    found.counted += len(pairs)
    found.largest_pixel = max(found.largest_pixel, int(difference.max()))
    found.sum_of_means += float(difference.mean(axis=(1, 2, 3)).sum())
    found.reference.append(model.finish(engine.submit(exact)()))
    found.outputs.append(model.finish(engine.submit(rough)()))


def _check_reduced(found: _Found, model: ImageModel) -> None:
    if found.counted < MIN_PHOTOS:
        height, width = model.preprocess.output_size
        raise PackagingError(
            f"Of {found.photos} golden photos {found.counted} were really reduced: the others are no JPEG, or less "
            f"than twice as large as the model's {height} x {width} pixels need. Measuring takes at least "
            f"{MIN_PHOTOS}; add large ones, such as the job will see, or leave out --decode reduced."
        )
