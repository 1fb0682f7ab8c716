"""What a reader finds in a folder."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from pyfunc_models import Preprocess

from ..errors import InputError
from .saved import Saved

Prepare = Callable[[Image.Image], npt.NDArray[np.float32]]
"""RGB photo -> float32 [3, H, W], as the library prepares it."""


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A classifier with its weights. `architecture`: for the version's tags; `labels` in the order of the logits."""

    module: torch.nn.Module
    preprocess: Preprocess
    labels: tuple[str, ...] | None
    architecture: str
    prepare: Prepare


class Reader(Protocol):
    """Of one library's folders."""

    library: str

    def takes(self, saved: Saved) -> bool:
        """Whether the folder is one that this library saved."""

    def read(self, saved: Saved) -> Pretrained:
        """Raises InputError."""


def library(name: str) -> ModuleType:
    """One that folders are read with, which the project does without otherwise. Raises InputError."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        whose = f"{name}'" if name.endswith("s") else f"{name}'s"
        raise InputError(
            f"This folder is {whose}, which is not installed: pip install 'stagewright[pretrained]'."
        ) from error


def labels(found: Any, count: int, field: str) -> tuple[str, ...]:
    """Class -> label as a JSON object or list -> labels in the order of the logits. Raises ValueError."""
    named = dict(enumerate(found)) if isinstance(found, list | tuple) else found
    if not isinstance(named, dict):
        raise ValueError(f"{field} is {type(found).__name__}; it must name {count} labels.")
    by_class = {str(number): label for number, label in named.items()}
    wanted = [str(number) for number in range(count)]
    if sorted(by_class) != sorted(wanted):
        raise ValueError(
            f"{field} names {len(by_class)} labels, not one for each of the {count} classes 0 to {count - 1}."
        )
    if others := [each for each in by_class.values() if not isinstance(each, str) or not each.strip()]:
        raise ValueError(f"{field} has {others[0]!r}, which is no label.")
    return tuple(by_class[number] for number in wanted)
