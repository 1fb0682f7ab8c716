"""OpenVINO on a CPU: one compiled graph per process, as many asynchronous requests as threads."""

from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from . import EngineUnavailable, Images, Outputs, Precision
from .device import Device
from .telemetry import no_reports

with no_reports():
    import openvino as ov

GRAPH = "model.xml"
INT8_GRAPH = "model-int8.xml"


class OpenVinoEngine:
    """A compiled OpenVINO graph; see `engines.Engine`."""

    def __init__(self, graph: Path, device: Device, precision: Precision) -> None:
        core = ov.Core()
        if precision is Precision.BF16 and "BF16" not in core.get_property(
            "CPU", "OPTIMIZATION_CAPABILITIES"
        ):
            raise EngineUnavailable(
                f"This worker's CPU has no bf16 arithmetic and would only emulate it slowly; "
                f"run with precision {Precision.F32.value!r} or on CPUs with avx512_bf16 or AMX."
            )
        settings = {
            "INFERENCE_PRECISION_HINT": _hint(precision),
            "INFERENCE_NUM_THREADS": device.threads,
            "NUM_STREAMS": device.threads,
            # Pinned threads start at core 0 in every process: two workers would share one core.
            "ENABLE_CPU_PINNING": False,
        }
        try:
            compiled = core.compile_model(str(graph), "CPU", settings)
        except RuntimeError as error:
            raise EngineUnavailable(
                f"OpenVINO {ov.__version__} on this worker cannot load the graph {graph.name}: {_last_line(error)}. "
                "The model's requirements.txt names the version that wrote it; install that on the executors."
            ) from error
        self.slots = device.threads
        self.batch_size = _batch_size(device.threads)
        self._idle: SimpleQueue[ov.InferRequest] = SimpleQueue()
        for _ in range(self.slots):
            self._idle.put(compiled.create_infer_request())

    def submit(self, images: Images) -> Callable[[], Outputs]:
        """Start inference of uint8 [N, H, W, 3]; waits only when all `slots` are taken."""
        request = self._idle.get()
        request.start_async({0: images}, share_inputs=True)

        def result() -> Outputs:
            try:
                request.wait()
                return np.array(request.get_output_tensor(0).data, dtype=np.float32)
            finally:
                self._idle.put(request)

        return result


def load(graphs: Path, device: Device, precision: Precision) -> OpenVinoEngine:
    """Compile the OpenVINO IR in `graphs` for this worker's threads."""
    graph = INT8_GRAPH if precision is Precision.INT8 else GRAPH
    return OpenVinoEngine(graphs / graph, device, precision)


def _last_line(error: Exception) -> str:
    """OpenVINO puts the places in its sources first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__


def _batch_size(threads: int) -> int:
    """As small as costs no speed, because every slot keeps the activations of a whole batch.

    Photos a second on one core with batches of 8 and of 32: ResNet-18 61 and 62, ResNet-50 23 and 23,
    EfficientNet-B0 124 and 116, MobileNetV3-L 290 and 248. Four workers with ResNet-50 take 1.5 GB and 2.0 GB. More
    threads need larger batches, or there is not enough to decode ahead.
    """
    return min(32, max(8, 4 * threads))


def _hint(precision: Precision) -> str:
    """The arithmetic of whatever the graph does not quantise itself.

    bf16 for the rest of an int8 graph gained nothing (photos a second on one core: EfficientNet-lite0 495 with
    f32, 490 with bf16; ResNet-50 96 and 98; MobileNetV3-L 613 and 610), changed no score but MobileNetV3-L's, and
    older CPUs have only f32.
    """
    return str(Precision.F32 if precision is Precision.INT8 else precision)
