"""An image classifier as timm's `save_for_hf` leaves it: config with `pretrained_cfg`, safetensors."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from pyfunc_models import Preprocess

from ..errors import InputError, first_line
from .pretrained import Pretrained, labels, library
from .saved import WEIGHTS, Saved, refuse_unknown

_FIELDS = {
    "architecture",
    "num_classes",
    "num_features",
    "global_pool",
    "label_names",
    "label_descriptions",
    "model_args",
    "pretrained_cfg",
    "license",
    "tags",
    "library_name",
}
# Of `pretrained_cfg`: what says how photos are prepared, and what says where the weights are from and which layers are
# which, which nothing here asks.
_PREPARED = {"input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std"}
# Arguments of timm's own, not of the architecture: they fetch, or load other files.
_NOT_OF_THE_ARCHITECTURE = {
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "pretrained_strict",
    "checkpoint_path",
    "cache_dir",
    "scriptable",
    "exportable",
    "no_jit",
}
_OTHER = {
    "tag",
    "custom_load",
    "fixed_input_size",
    "min_input_size",
    "test_input_size",
    "test_crop_pct",
    "num_classes",
    "pool_size",
    "first_conv",
    "classifier",
    "license",
    "origin_url",
    "paper_name",
    "paper_ids",
    "notes",
    "url",
    "file",
    "source",
    "architecture",
    "hf_hub_id",
    "hf_hub_filename",
    "label_names",
    "label_descriptions",
    "label_offset",
    "state_dict",
}


class Timm:
    """Reads by timm's own functions."""

    library = "timm"

    def takes(self, saved: Saved) -> bool:
        """See `Reader`."""
        return "architecture" in saved.config and isinstance(saved.config.get("pretrained_cfg"), dict)

    def read(self, saved: Saved) -> Pretrained:
        """See `Reader`."""
        timm = library(self.library)
        config, given = saved.config, saved.config["pretrained_cfg"]
        refuse_unknown(config, _FIELDS, saved.config_file)
        refuse_unknown(given, _PREPARED | _OTHER, saved.config_file)
        try:
            module = _module(timm, config, saved)
            prepared = timm.data.resolve_data_config({}, pretrained_cfg=dict(given))
            transform = timm.data.create_transform(**prepared, is_training=False)
            preprocess = recipe(prepared)
            found = config.get("label_names") or given.get("label_names")
            names = labels(found, module.num_classes, "label_names") if found else None
        except InputError:
            raise
        except Exception as error:  # timm raises many kinds
            raise InputError(f"timm cannot load {str(saved.folder)!r}: {first_line(error)}") from error
        return Pretrained(
            module=module,
            preprocess=preprocess,
            labels=names,
            architecture=f"timm:{config['architecture']}",
            prepare=lambda image: _prepared(transform, image),
        )


READER = Timm()


def recipe(prepared: Mapping[str, Any]) -> Preprocess:
    """Of timm's data config. Source: timm.data.transforms_factory.transforms_imagenet_eval. Raises ValueError."""
    channels, height, width = prepared["input_size"]
    if channels != 3:
        raise ValueError(f"input_size is for {channels} channels; photos have 3.")
    scaled = int(height / prepared["crop_pct"]), int(width / prepared["crop_pct"])
    mode = prepared.get("crop_mode") or "center"
    if mode not in ("center", "squash") or (mode == "center" and height != width):
        raise ValueError(f"crop_mode is {mode!r} with input_size {height} x {width}, which is not done here.")
    return Preprocess(
        resize=scaled if mode == "squash" else scaled[0],
        crop=(height, width),
        interpolation=prepared["interpolation"],
        mean=tuple(prepared["mean"]),
        std=tuple(prepared["std"]),
    )


def _module(timm: ModuleType, config: Mapping[str, Any], saved: Saved) -> Any:
    from safetensors.torch import load_file

    name = config["architecture"]
    if not isinstance(name, str) or not timm.is_model(name):
        raise InputError(
            f"{str(saved.config_file)!r} names architecture {name!r}, which this timm does not have."
        )
    arguments = {"num_classes": config.get("num_classes"), **(config.get("model_args") or {})}
    if wrong := sorted(arguments.keys() & _NOT_OF_THE_ARCHITECTURE):
        raise InputError(
            f"{str(saved.config_file)!r} has {wrong[0]!r} among model_args, which is not the model's."
        )
    module = timm.create_model(name, pretrained=False, **arguments)
    told = module.load_state_dict(load_file(saved.folder / WEIGHTS), strict=False)
    if told.missing_keys or told.unexpected_keys:
        some = ", ".join([*told.missing_keys, *told.unexpected_keys][:3])
        raise InputError(f"The weights in {str(saved.folder)!r} do not fit the configuration: {some}.")
    return module.eval()


def _prepared(transform: Any, image: Image.Image) -> npt.NDArray[np.float32]:
    pixels: torch.Tensor = transform(image)
    return pixels.numpy()
