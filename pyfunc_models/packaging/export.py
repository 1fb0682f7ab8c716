"""nn.Module + Preprocess -> one graph from uint8 photos to float32 outputs, as `.pt2` and as OpenVINO IR."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from ..engines import Outputs, openvino_engine, torch_engine
from ..engines.telemetry import no_reports
from ..transforms.preprocess import Preprocess
from . import outputs

with no_reports():
    import openvino as ov
    from openvino.tools.ovc import convert_impl, telemetry_stub, telemetry_utils

# Loose enough for two libraries' summation orders, tight enough for a wrongly converted operation.
PARITY_RELATIVE = 1e-3


class ExportError(ValueError):
    """The module cannot become a graph that runs without its code; says which operation and what to do."""


class OutputsDiffer(ExportError):
    """OpenVINO's graph answers otherwise than torch."""


class ScoringGraph(torch.nn.Module):
    """uint8 [N, H, W, 3] RGB -> float32 [N, D]: scale, normalise and the module, in one graph.

    The same operations in the same order as torchvision's ToTensor and Normalize, so nothing is converted on
    the way to the engine and a GPU receives bytes.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, module: torch.nn.Module, preprocess: Preprocess, output: str | None = None) -> None:
        super().__init__()
        self.module = module
        self.output = output
        self.register_buffer("mean", torch.tensor(preprocess.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocess.std).view(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """See the class."""
        scaled = images.permute(0, 3, 1, 2).to(torch.float32).div(255)
        answer = self.module((scaled - self.mean) / self.std)
        try:
            return outputs.chosen(answer, self.output)
        except outputs.NoOutput as error:
            raise ExportError(str(error)) from None


Comparable = Callable[[Outputs], Outputs]


def export(
    module: torch.nn.Module,
    preprocess: Preprocess,
    into: Path,
    output: str | None = None,
    comparable: Comparable = lambda outputs: outputs,
) -> int:
    """Write `model.pt2`, `model.xml` and `model.bin` into `into`; returns D, the width of the outputs.

    The module is exported in eval mode and stays as it was. The batch is dynamic. `output`: see
    `outputs.chosen`; `comparable`: see `ImageModel`. Raises ExportError where torch.export or OpenVINO cannot express
    the module, or where their outputs differ.
    """
    height, width = preprocess.output_size
    graph = ScoringGraph(module, preprocess, output)
    training = module.training
    graph.eval()
    try:
        program = _export(graph, height, width)
    finally:
        module.train(training)
    _strip_traces(program)
    _save(program, into / torch_engine.GRAPH)
    converted = _convert(program, height, width)
    ov.save_model(converted, into / openvino_engine.GRAPH, compress_to_fp16=False)
    return _check_parity(program, converted, (height, width), comparable)


def _export(graph: ScoringGraph, height: int, width: int) -> torch.export.ExportedProgram:
    # Two images: torch.export specialises a dimension whose example is 1.
    example = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    try:
        with torch.no_grad():
            return torch.export.export(
                graph, (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},)
            )
    except ExportError:
        raise
    except Exception as error:  # torch.export has no common base for what it raises
        raise ExportError(
            f"{type(graph.module).__name__} does not export with a dynamic batch: {_first_lines(error)}\n"
            "Common causes: Python control flow on tensor values (use torch.where or torch.cond), `.item()` or "
            "numpy inside forward, a batch size written into a reshape (use -1), an input size other than "
            f"{height}x{width}. `torch.export.export(module, (torch.zeros(2, 3, {height}, {width}),))` shows the "
            "same error with the line in your code."
        ) from error


def _strip_traces(program: torch.export.ExportedProgram) -> None:
    """Take out the source lines that torch notes on each node: paths of this machine that change the digest."""
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)


def _save(program: torch.export.ExportedProgram, file: Path) -> None:
    """Without the sample inputs, the one thing that torch pickles and that whoever loads a program unpickles."""
    sample, program.example_inputs = program.example_inputs, None
    try:
        torch.export.save(program, file)
    finally:
        program.example_inputs = sample


def _convert(program: torch.export.ExportedProgram, height: int, width: int) -> ov.Model:
    try:
        with _no_telemetry():
            converted = ov.convert_model(program)
        converted.reshape([-1, height, width, 3])
    except Exception as error:  # OpenVINO raises plain RuntimeErrors and its own, by operation
        raise ExportError(
            f"OpenVINO cannot convert an operation of this module: {_first_lines(error)}\n"
            "Replace the operation that is named with one of its supported operations "
            "(a plain torch.nn equivalent nearly always exists)."
        ) from error
    return converted


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Keep OpenVINO's converter from reporting each use, and its error, to Google Analytics: it asks nobody."""
    rooms = (convert_impl, telemetry_utils)
    before = [room.tm for room in rooms]
    for room in rooms:
        room.tm = telemetry_stub
    try:
        yield
    finally:
        for room, telemetry in zip(rooms, before, strict=True):
            room.tm = telemetry


def _check_parity(
    program: torch.export.ExportedProgram, converted: ov.Model, size: tuple[int, int], comparable: Comparable
) -> int:
    """Both graphs on the same noise, with the smallest batch and another one. Returns D."""
    noise = np.random.default_rng(0).integers(0, 256, (3, *size, 3), dtype=np.uint8)
    compiled = ov.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    module = program.module()
    for images in (noise[:1], noise):
        with torch.no_grad():
            wide = module(torch.from_numpy(images)).numpy()
        expected, found = comparable(wide), comparable(compiled(images)[0])
        scale = max(1.0, float(np.abs(expected).max()))
        difference = float(np.abs(expected - found).max()) / scale
        if found.shape != expected.shape or not difference <= PARITY_RELATIVE:
            raise OutputsDiffer(
                f"OpenVINO's graph gives {found.shape} with a relative difference of {difference:.2g} from torch "
                f"on {len(images)} images (allowed: {PARITY_RELATIVE}). Does the module use random numbers, or "
                "layers that act differently in training? It is exported in eval mode. Or is it untrained? In random "
                "weights rounding alone may grow so."
            )
    return int(wide.shape[1])


def _first_lines(error: Exception, most: int = 6) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return "\n".join(lines[:most])
