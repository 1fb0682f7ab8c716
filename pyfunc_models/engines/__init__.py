"""One graph, loaded for one device at one precision: uint8 [N, H, W, 3] -> float32 [N, D]."""

import importlib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .device import Device

Images = NDArray[np.uint8]
Outputs = NDArray[np.float32]


class Precision(StrEnum):
    """The arithmetic of the graph; f32 is the reference that the others are measured against."""

    F32 = "f32"
    BF16 = "bf16"
    INT8 = "int8"


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


ENGINES = {"cuda": "torch_engine", "cpu": "openvino_engine"}
"""Kind of device -> the module here whose `load` opens a graph on it; its requirements are the model's."""


def engine_module(device: Device) -> ModuleType:
    """The engine's module for a device: torch on a GPU, OpenVINO on a CPU; only that one is imported.

    Raises EngineUnavailable where its library is not installed.
    """
    try:
        return importlib.import_module(f".{ENGINES[device.kind]}", __name__)
    except ModuleNotFoundError as error:
        raise EngineUnavailable(
            f"This worker was given {device}, but has no {error.name}. Install the model's "
            f"{'requirements-gpu.txt' if device.kind == 'cuda' else 'requirements.txt'} on the executors"
            f"{', or set STAGEWRIGHT_DEVICE=cpu to run on their CPUs.' if device.kind == 'cuda' else '.'}"
        ) from error


def open_engine(graphs: Path, device: Device, precision: Precision) -> Engine:
    """Load the graph in `graphs` for `device`.

    Raises EngineUnavailable where the worker lacks what that takes; it never falls back to another device.
    """
    engine: Engine = engine_module(device).load(graphs, device, precision)
    return engine
