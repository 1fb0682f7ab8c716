"""transformers' image processors -> Preprocess, by the fields that they are saved with."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from pyfunc_models import Preprocess

# Fields that may be there as long as they ask for nothing.
_OFF = (
    "do_flip_channel_order",
    "do_pad",
    "do_reduce_labels",
    "rescale_offset",
    "reduce_labels",
    "do_grayscale",
)
# Fields that say how photos are handed over and back, and nothing of their pixels.
_HANDED = (
    "image_processor_type",
    "feature_extractor_type",
    "processor_class",
    "_valid_processor_keys",
    "data_format",
    "input_data_format",
    "return_tensors",
    "device",
    "disable_grouping",
    "do_convert_rgb",
    "default_to_square",
)
_READ = (
    "do_resize",
    "size",
    "resample",
    "do_center_crop",
    "crop_size",
    "crop_pct",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
    "image_mean",
    "image_std",
)
PROCESSOR_FIELDS = frozenset((*_OFF, *_HANDED, *_READ))

# From which shorter edge on ConvNext's processor squeezes a photo whole into a square, and crops nothing.
_CONVNEXT_WHOLE = 384


def recipe(said: Mapping[str, Any]) -> Preprocess:
    """Of a processor's `to_dict()`, its defaults filled in. Raises ValueError, with the field, on what is not so."""
    for name in _OFF:
        if said.get(name):
            raise ValueError(f"{name} is {said[name]!r}, which is not done here.")
    if not said.get("do_rescale", True):
        raise ValueError("do_rescale is False; photos are scaled to [0, 1] here.")
    resize, crop = _convnext(said) if said.get("crop_pct") is not None else _usual(said)
    mean, std = _normal(said)
    return Preprocess(
        resize=resize,
        crop=crop,
        interpolation=_interpolation(said.get("resample")),
        mean=mean,
        std=std,
        orientation="exif",  # as transformers' pipeline loads a photo
        crop_rounding="down",
    )


def _usual(said: Mapping[str, Any]) -> tuple[Any, Any]:
    crop = _edges(said["crop_size"], "crop_size") if said.get("do_center_crop") else None
    if not said.get("do_resize", True):
        return None, crop
    return _edges(said["size"], "size"), (crop, crop) if isinstance(crop, int) else crop


def _convnext(said: Mapping[str, Any]) -> tuple[Any, Any]:
    edge = said["size"].get("shortest_edge")
    if not isinstance(edge, int) or not said.get("do_resize", True) or said.get("do_center_crop"):
        raise ValueError(f"crop_pct goes with a size of shortest_edge alone; size is {said['size']!r}.")
    if edge >= _CONVNEXT_WHOLE:
        return (edge, edge), None
    return int(edge / said["crop_pct"]), (edge, edge)


def _edges(size: Any, field: str) -> Any:
    """An int for the shorter edge, or (height, width)."""
    known = {name: size[name] for name in size if size[name] is not None}
    if known.keys() == {"height", "width"}:
        return known["height"], known["width"]
    if known.keys() == {"shortest_edge"}:
        return known["shortest_edge"]
    raise ValueError(f"{field} is {dict(size)!r}; it must be height and width, or shortest_edge.")


def _interpolation(resample: Any) -> str:
    return Image.Resampling(int(resample)).name.lower() if resample is not None else "bilinear"


def _normal(said: Mapping[str, Any]) -> tuple[Any, Any]:
    """Mean and std of values in [0, 1], whatever factor the processor rescales by."""
    if not said.get("do_normalize", True):
        mean, std = (0.0,) * 3, (1.0,) * 3
    else:
        mean, std = (_channels(said[name]) for name in ("image_mean", "image_std"))
    factor = 255 * float(said.get("rescale_factor", 1 / 255))
    if not factor > 0:
        raise ValueError(f"rescale_factor is {said['rescale_factor']!r}; it must be above 0.")
    if abs(factor - 1) < 1e-9:
        return mean, std
    return tuple(value / factor for value in mean), tuple(value / factor for value in std)


def _channels(value: Any) -> Any:
    return (value,) * 3 if isinstance(value, int | float) else tuple(value)
