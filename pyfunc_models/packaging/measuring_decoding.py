"""What decoding less of a JPEG costs: pixels and answers held against those of the whole, at f32."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..engines import Engine, Images, Outputs, Precision, device
from ..engines.device import Device
from ..photos.status import RowFault
from ..transforms.usual_photo import size_of
from ..worker.choices import DecodeChoice
from ..worker.image_model import ImageModel
from .errors import PackagingError
from .measuring import MIN_PHOTOS, chunks, enough, open_measured, rounded

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


def measure_decodes(
    model: ImageModel, graphs: Path, decodes: Sequence[str], photos: Sequence[Path]
) -> dict[str, dict[str, float]]:
    """For each decoding but `full`: `photos`, pixel differences, and the kind's figures of agreement with `full`.

    `largest_pixel_difference` and `mean_pixel_difference` are of 255, over all channels. `reduced` says how many photos
    really were, and all figures but `photos` are of these. Runs what the worker runs, on this machine's CPU. Raises
    PackagingError where fewer than 20 photos can be read, or were really reduced.
    """
    if not decodes:
        return {}
    engine = open_measured(graphs, Device("cpu", threads=device.threads()), Precision.F32)
    return {name: _measure(model, engine, DecodeChoice(name), photos) for name in decodes}


def _measure(
    model: ImageModel, engine: Engine, choice: DecodeChoice, photos: Sequence[Path]
) -> dict[str, float]:
    found = _Found()
    for contents in chunks(photos):
        pairs = [pair for content in contents if (pair := _read(model, content, choice, found)) is not None]
        _compare(model, engine, pairs, found)
    enough(found.photos, found.faults)
    _check_reduced(found, model)
    figures = {
        "photos": float(found.photos),
        "reduced": found.counted,
        "largest_pixel_difference": found.largest_pixel,
        "mean_pixel_difference": found.sum_of_means / found.counted,
    }
    return rounded(figures | model.agreement(np.concatenate(found.reference), np.concatenate(found.outputs)))


def _read(model: ImageModel, content: bytes, choice: DecodeChoice, found: _Found) -> Pair | None:
    """The photo read in full and as `choice` says; None where it cannot be, or would be no different."""
    photo, other = model.decode(content), model.decode(content, choice)
    if isinstance(photo, RowFault) or isinstance(other, RowFault):
        found.faults += [fault for fault in (photo, other) if isinstance(fault, RowFault)][:1]
        return None
    found.photos += 1
    if size_of(photo) == size_of(other):
        return None
    exact, rough = model.prepare(photo), model.prepare(other)
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
