"""A scientist's own callables, which a version carries by cloudpickle."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ..engines import Outputs

# Where they lie below `artifacts/model` of the MLflow model directory.
CALLABLES = "callables.pkl"

Transform = Callable[[Image.Image], Image.Image]
Postprocess = Callable[[Outputs], Outputs]


@dataclass(frozen=True, slots=True)
class OwnCode:
    """A scientist's own callables; both optional, both travel by cloudpickle.

    `transform`: PIL RGB image -> PIL RGB image, before the preprocessing.
    `postprocess`: float32 [N, D] outputs of the graph -> float32 [N, D'], before the answer is made.
    """

    transform: Transform | None = None
    postprocess: Postprocess | None = None


def load(path: Path) -> OwnCode:
    """Raises ValueError where MLFLOW_ALLOW_PICKLE_DESERIALIZATION forbids it."""
    if os.environ.get("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true").lower() in ("false", "0"):
        raise ValueError(
            "This version carries callables by cloudpickle, and MLFLOW_ALLOW_PICKLE_DESERIALIZATION forbids "
            "to read them. Allow it, or package the model without callables of your own."
        )
    import cloudpickle

    own: dict[str, Any] = cloudpickle.loads(path.read_bytes())
    return OwnCode(**own)
