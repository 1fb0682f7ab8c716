"""What a model is made of: its parts, or a folder that a library saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from pyfunc_models import Preprocess

from .. import pretrained
from .architecture import Architecture
from .files import load_weights, read_labels


@dataclass(frozen=True, slots=True)
class Model:
    """What is packaged. `architecture`: how the scientist calls it."""

    module: torch.nn.Module
    preprocess: Preprocess
    labels: Sequence[str] | None
    architecture: str


@dataclass(frozen=True, slots=True)
class Parts:
    """A model from its parts: see the command's options of the same names."""

    architecture: Architecture
    weights: Path
    preprocess: Preprocess
    labels: Path | None = None

    def model(self) -> Model:
        """Build it, and load its weights. Raises InputError."""
        module = self.architecture.build()
        load_weights(module, self.weights)
        labels = read_labels(self.labels) if self.labels else None
        return Model(module, self.preprocess, labels, self.architecture.reference)


@dataclass(frozen=True, slots=True)
class Folder:
    """A model as a library saved it."""

    folder: Path

    def model(self) -> Model:
        """Read it as that library does. Raises InputError."""
        found = pretrained.read(self.folder)
        return Model(found.module, found.preprocess, found.labels, found.architecture)
