"""Image -> vector."""

from typing import Any, ClassVar

import numpy as np
from mlflow.types import ColSpec, DataType
from mlflow.types.schema import Array

from ..engines import Outputs
from ..worker.image_model import Column, ImageModel

# A vector of length 0 has no direction: it agrees with nothing, and divides nothing.
TINY = float(np.finfo(np.float32).tiny)


class ImageEmbedder(ImageModel):
    """`embedding`: the graph's output, float32 [D], as it is."""

    kind = "embedder"
    outputs: ClassVar[list[ColSpec]] = [ColSpec(Array(DataType.float), "embedding")]

    def columns(self, outputs: Outputs, params: dict[str, Any]) -> dict[str, Column]:
        """Float32 [N, D] -> N vectors."""
        return {"embedding": list(outputs)}

    def blank(self) -> dict[str, Any]:
        """No vector."""
        return {"embedding": None}

    @classmethod
    def agreement(cls, reference: Outputs, outputs: Outputs) -> dict[str, float]:
        """Mean and lowest cosine similarity, and the mean length of the difference as a share of f32's length."""
        lengths = np.linalg.norm(reference, axis=1)
        both = np.maximum(lengths * np.linalg.norm(outputs, axis=1), TINY)
        cosine = (reference * outputs).sum(axis=1) / both
        relative = np.linalg.norm(reference - outputs, axis=1) / np.maximum(lengths, TINY)
        return {
            "agreement": float(cosine.mean()),
            "lowest_cosine": float(cosine.min()),
            "relative_difference": float(relative.mean()),
        }


MODEL = ImageEmbedder
