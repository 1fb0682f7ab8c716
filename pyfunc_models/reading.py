"""What a job may choose about how a photo's bytes become pixels; what it does not choose is exact."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class TransformChoice(StrEnum):
    """How a photo is resized; `exact` gives torchvision's pixels and is what `fast` is measured against."""

    EXACT = "exact"
    FAST = "fast"


class DecodeChoice(StrEnum):
    """How much of a JPEG is decoded; `full` is what `reduced`, a half, a quarter or an eighth, is measured against."""

    FULL = "full"
    REDUCED = "reduced"


class ContentChoice(StrEnum):
    """What the column `content` holds: a photo's bytes, or the path of a file that the worker reads."""

    BYTES = "bytes"
    PATH = "path"


@dataclass(frozen=True, slots=True)
class Reading:
    """One choice of each."""

    transform: TransformChoice = TransformChoice.EXACT
    decode: DecodeChoice = DecodeChoice.FULL

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "Reading":
        """The choices among the params of a prediction. Raises ValueError on one that there is not."""
        return cls(
            TransformChoice(params.get("transform") or TransformChoice.EXACT),
            DecodeChoice(params.get("decode") or DecodeChoice.FULL),
        )


EXACT = Reading()
"""What every version has: the reference of the others."""
