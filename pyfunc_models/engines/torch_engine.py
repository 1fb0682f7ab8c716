"""torch: CUDA devices, and the CPU as the reference that the other engine is held against."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.export.passes import move_to_device_pass

from . import EngineUnavailable, Images, Outputs, Precision
from .device import Device

GRAPH = "model.pt2"


class TorchEngine:
    """A torch module on one device; see `engines.Engine`.

    A batch that does not fit into the device's memory is halved and tried again, and the size that fitted is
    remembered in `limit` for every later batch. A single image that does not fit raises torch.OutOfMemoryError.
    """

    def __init__(self, module: torch.nn.Module, device: Device, precision: Precision) -> None:
        self._device = torch.device(str(device))
        self._precision = precision
        self._module = module.to(self._device).to(memory_format=torch.channels_last)
        self._on_gpu = self._device.type == "cuda"
        self.slots = 2 if self._on_gpu else 1
        self.batch_size = 128 if self._on_gpu else 32
        self.limit: int | None = None
        if not self._on_gpu:
            torch.set_num_threads(device.threads)

    def submit(self, images: Images) -> Callable[[], Outputs]:
        """Start on uint8 [N, H, W, 3]; on a GPU the copies and kernels run behind the caller's back."""
        pending = [self._start(part) for part in self._parts(torch.from_numpy(images))]
        return lambda: np.concatenate([wait() for wait in pending])

    def _parts(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.split(images, self.limit) if self.limit else (images,)

    def _start(self, images: torch.Tensor) -> Callable[[], Outputs]:
        try:
            return self._forward(images)
        except torch.OutOfMemoryError:
            if len(images) == 1:
                raise
            self.limit = min(self.limit or len(images), len(images) // 2)
        # Outside the handler: the exception holds the failed forward's tensors.
        if self._on_gpu:
            torch.cuda.empty_cache()
        halves = [self._start(part) for part in torch.split(images, self.limit)]
        return lambda: np.concatenate([wait() for wait in halves])

    @torch.inference_mode()
    def _forward(self, images: torch.Tensor) -> Callable[[], Outputs]:
        if self._on_gpu:
            images = images.pin_memory()
        bf16 = self._precision is Precision.BF16
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=bf16):
            outputs = self._module(images.to(self._device, non_blocking=True)).float()
        if not self._on_gpu:
            return lambda: np.asarray(outputs)
        host = torch.empty(outputs.shape, dtype=outputs.dtype, pin_memory=True)
        host.copy_(outputs, non_blocking=True)
        copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        copied.record()

        def result() -> Outputs:
            copied.synchronize()
            return host.numpy()

        return result


def load(graphs: Path, device: Device, precision: Precision) -> TorchEngine:
    """Load the exported program in `graphs` onto `device`; runs neither pickle nor the architecture's code.

    Raises EngineUnavailable where torch sees no such GPU, and for int8, whose graph is OpenVINO's.
    """
    if precision is Precision.INT8:
        raise EngineUnavailable(
            f"int8 runs on CPUs, with OpenVINO, and this task was given {device}. Run with precision "
            f"{Precision.BF16.value!r} or {Precision.F32.value!r}, or set STAGEWRIGHT_DEVICE=cpu."
        )
    if device.kind == "cuda" and device.index >= torch.cuda.device_count():
        raise EngineUnavailable(
            f"This task was given {device}, but torch {torch.__version__} sees {torch.cuda.device_count()} "
            "CUDA devices here. Check the driver and CUDA_VISIBLE_DEVICES on this worker, or set "
            "STAGEWRIGHT_DEVICE=cpu to run on its CPU."
        )
    try:
        program = torch.export.load(graphs / GRAPH)
    except (RuntimeError, ValueError, AssertionError, KeyError) as error:
        said = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
        raise EngineUnavailable(
            f"torch {torch.__version__} on this worker cannot load the graph {GRAPH}: {said}. The model's "
            "requirements-gpu.txt names the version that wrote it; install that on the executors."
        ) from error
    program = move_to_device_pass(program, str(device))
    return TorchEngine(program.module(), device, precision)
