"""Image -> vector."""

from typing import Any, ClassVar

from mlflow.types import ColSpec, DataType
from mlflow.types.schema import Array

from ..engines import Outputs
from ..image_model import Column, ImageModel


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


MODEL = ImageEmbedder
