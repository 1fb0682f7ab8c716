"""An image classifier as transformers' `save_pretrained` leaves it: config, preprocessor, safetensors."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ..errors import InputError, first_line
from .pretrained import Pretrained, labels, library
from .processors import PROCESSOR_FIELDS, recipe
from .saved import PREPROCESSOR, Saved, read_json, refuse_unknown

_SUFFIX = "ForImageClassification"
# What transformers writes beside a configuration's own fields, or wrote once.
_BESIDE = {"architectures", "transformers_version", "torch_dtype", "dtype", "_name_or_path", "model_type"}
_ONE_LABEL = (None, "single_label_classification")


class HuggingFace:
    """Reads by transformers' own classes, with Pillow's processor, which is the one that photos are equal to."""

    library = "transformers"

    def takes(self, saved: Saved) -> bool:
        """See `Reader`."""
        named = saved.config.get("architectures")
        return isinstance(named, list) and any(_SUFFIX in str(name) for name in named)

    def read(self, saved: Saved) -> Pretrained:
        """See `Reader`."""
        transformers = _transformers()
        fields = read_json(saved.folder / PREPROCESSOR)
        refuse_unknown(fields, PROCESSOR_FIELDS, saved.folder / PREPROCESSOR)
        module = _module(transformers, saved)
        try:
            processor = transformers.AutoImageProcessor.from_pretrained(
                str(saved.folder), backend="pil", local_files_only=True, trust_remote_code=False
            )
            preprocess = recipe(processor.to_dict())
            names = labels(module.config.id2label, int(module.config.num_labels), "id2label")
        except Exception as error:  # transformers raises many kinds
            raise InputError(f"{str(saved.folder)!r}: {first_line(error)}") from error
        return Pretrained(
            module=module,
            preprocess=preprocess,
            labels=names,
            architecture=f"transformers:{type(module).__name__}",
            prepare=lambda image: _prepared(processor, image),
        )


READER = HuggingFace()


def _transformers() -> ModuleType:
    transformers = library("transformers")
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _module(transformers: ModuleType, saved: Saved) -> Any:
    try:
        module, told = transformers.AutoModelForImageClassification.from_pretrained(
            str(saved.folder),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except Exception as error:  # as above
        raise InputError(f"transformers cannot load {str(saved.folder)!r}: {first_line(error)}") from error
    _check_loaded(told, saved)
    _check_config(module, saved)
    return module.eval()


def _check_loaded(told: Mapping[str, Any], saved: Saved) -> None:
    """Every weight is there and has its place: transformers itself draws what is missing at random."""
    for what, keys in told.items():
        if keys:
            some = ", ".join(str(each) for each in sorted(keys, key=str)[:3])
            raise InputError(
                f"The weights in {str(saved.folder)!r} do not fit the configuration: {what.replace('_', ' ')}: "
                f"{some}{' and more' if len(keys) > 3 else ''}."
            )


def _check_config(module: Any, saved: Saved) -> None:
    config = module.config
    refuse_unknown(saved.config, _BESIDE | set(type(config)().to_dict()), saved.config_file)
    named = list(saved.config["architectures"])
    if named != [type(module).__name__]:
        raise InputError(
            f"{str(saved.config_file)!r} names {named}; transformers made a {type(module).__name__} of it."
        )
    if config.problem_type not in _ONE_LABEL:
        raise InputError(
            f"{str(saved.config_file)!r} is for {config.problem_type!r}; a classifier gives one label a photo."
        )
    if getattr(config, "num_channels", None) not in (None, 3):
        raise InputError(f"{str(saved.config_file)!r} is for {config.num_channels} channels; photos have 3.")


def _prepared(processor: Any, image: Image.Image) -> npt.NDArray[np.float32]:
    pixels: torch.Tensor = processor(images=image, return_tensors="pt")["pixel_values"][0]
    return pixels.numpy()
