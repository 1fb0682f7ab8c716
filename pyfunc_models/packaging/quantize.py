"""OpenVINO's graph -> the same graph in int8, by NNCF's post-training quantisation. The driver's side."""

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType

from ..engines import Images, openvino_engine
from ..engines.telemetry import no_reports
from .errors import PackagingError

with no_reports():
    import openvino as ov


def quantize(graphs: Path, images: Sequence[Images]) -> None:
    """Write `model-int8.xml` and `.bin` beside `model.xml`; the same images give the same weights.

    `images`: uint8 [H, W, 3] as the graph takes them, from which NNCF learns the range of each activation. The
    batch stays dynamic. Raises PackagingError where NNCF is not installed or cannot quantise the graph.
    """
    with _silence():
        nncf = _nncf()
        with _no_telemetry(nncf):
            try:
                quantized = nncf.quantize(
                    ov.Core().read_model(graphs / openvino_engine.GRAPH),
                    nncf.Dataset([image[None] for image in images]),
                    subset_size=len(images),
                    # x86 CPUs without VNNI add products of 8 bits in 16, which overflows with full weights:
                    # EfficientNet-lite0 then agrees with f32 on 94 photos of 100, in place of the 96 that were
                    # measured where VNNI is. Halved weights give the same scores on both (95), at the same speed.
                    advanced_parameters=nncf.AdvancedQuantizationParameters(
                        overflow_fix=nncf.OverflowFix.ENABLE
                    ),
                )
            except Exception as error:  # NNCF and OpenVINO raise many kinds, by operation
                first = next(iter(str(error).splitlines()), type(error).__name__)
                raise PackagingError(f"NNCF cannot quantise this graph: {first} Leave out int8.") from error
    ov.save_model(quantized, graphs / openvino_engine.INT8_GRAPH, compress_to_fp16=False)


def _nncf() -> ModuleType:
    logger_class = logging.getLoggerClass()
    try:
        with no_reports():
            import nncf
    except ModuleNotFoundError as error:
        raise PackagingError("int8 is made by NNCF: pip install 'stagewright[int8]'.") from error
    finally:
        # NNCF makes every later logger of the process one of its own.
        logging.setLoggerClass(logger_class)
    module: ModuleType = nncf
    return module


@contextmanager
def _no_telemetry(nncf: ModuleType) -> Iterator[None]:
    """Keep NNCF from reporting to Google Analytics where somebody else has imported it before."""
    room = nncf.telemetry.decorator
    before = room.telemetry
    room.telemetry = nncf.telemetry.wrapper.NNCFTelemetryStub()
    try:
        yield
    finally:
        room.telemetry = before


@contextmanager
def _silence() -> Iterator[None]:
    """Progress bars and log lines that NNCF writes to stdout, where a command's answer belongs."""
    loggers = [logging.getLogger(name) for name in ("nncf", "torch.utils.cpp_extension")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
