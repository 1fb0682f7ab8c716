"""Image -> vector."""

from typing import Any, ClassVar

import numpy as np
from mlflow.types import ColSpec, DataType
from mlflow.types.schema import Array

from ..engines import Outputs
from ..worker import settings
from ..worker.image_model import Column, ImageModel
from ..worker.settings import Setting, Value

# A vector of length 0 has no direction: it agrees with nothing, and divides nothing.
TINY = float(np.finfo(np.float32).tiny)
UNIT_LENGTH, ROUND_TO, F16 = "unit_length", "round_to", "f16"


class ImageEmbedder(ImageModel):
    """`embedding`: the graph's output, float32 [D], as it is, or as the version's settings want it.

    `unit_length`: divided by its Euclidean length; a vector of zeros stays one. `round_to` `f16`: each number is the
    nearest that float16 has, in a column of floats as ever, for neither Spark nor Parquet readers have a type for it.
    """

    kind = "embedder"
    known_settings: ClassVar[tuple[Setting, ...]] = (
        settings.switch(UNIT_LENGTH),
        Setting(ROUND_TO, f"{F16!r}", lambda value: value == F16),
    )
    outputs: ClassVar[list[ColSpec]] = [ColSpec(Array(DataType.float), "embedding")]

    @classmethod
    def check_settings(cls, given: dict[str, Value]) -> None:
        """Raises ValueError on rounding without unit length: float16 ends at 65,504, and is coarse long before."""
        if ROUND_TO in given and UNIT_LENGTH not in given:
            raise ValueError(
                f"{ROUND_TO} {F16} goes with {UNIT_LENGTH} only: float16 ends at 65,504, which other vectors may pass."
            )

    def columns(self, outputs: Outputs, params: dict[str, Any]) -> dict[str, Column]:
        """Float32 [N, D] -> N vectors."""
        if UNIT_LENGTH in self.settings:
            # In float64, which no square of a float32 leaves.
            lengths = np.linalg.norm(outputs.astype(np.float64), axis=1, keepdims=True)
            outputs = (outputs / np.maximum(lengths, TINY)).astype(np.float32)
        if ROUND_TO in self.settings:
            outputs = outputs.astype(np.float16).astype(np.float32)
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
