"""One graph, loaded for one device at one precision: uint8 [N, H, W, 3] -> float32 [N, D]."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..device import Device

Images = NDArray[np.uint8]
Outputs = NDArray[np.float32]


class Precision(StrEnum):
    """The arithmetic of the graph; f32 is the reference that the others are measured against."""

    F32 = "f32"
    BF16 = "bf16"


class EngineUnavailable(RuntimeError):
    """This worker cannot run the graph as asked: no such device, package or precision."""


class Engine(Protocol):
    """A loaded graph that takes up to `slots` batches at once and answers in the order of the calls."""

    slots: int
    batch_size: int

    def submit(self, images: Images) -> Callable[[], Outputs]:
        """Start on uint8 [N, H, W, 3] RGB; the function returned waits and gives float32 [N, D].

        `images` must stay untouched until then.
        """


def open_engine(graphs: Path, device: Device, precision: Precision) -> Engine:
    """Load the graph in `graphs` for `device`: torch on a GPU, OpenVINO on a CPU.

    Raises EngineUnavailable where the worker lacks what that takes; it never falls back to another device.
    """
    if device.kind == "cuda":
        from .torch_engine import load

        return load(graphs, device, precision)
    from .openvino_engine import load as load_openvino

    return load_openvino(graphs, device, precision)
