"""Both engines give the same numbers, and what a GPU does is tested as far as a CPU can."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mlruns_fixture import PREPROCESS, ColourNet
from pyfunc_models import normalize
from pyfunc_models.engines import EngineUnavailable, Images, Precision, open_engine
from pyfunc_models.engines.device import Device
from pyfunc_models.engines.torch_engine import TorchEngine, load
from pyfunc_models.packaging.export import export

CPU = Device("cpu", threads=2)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    export(ColourNet(), PREPROCESS, folder)
    return folder


def noise(count: int, seed: int = 0) -> Images:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def plain_torch(images: Images) -> np.ndarray:
    with torch.no_grad():
        return ColourNet()(torch.from_numpy(normalize(images, PREPROCESS))).numpy()


@pytest.mark.parametrize("count", [1, 2, 5, 33])
@pytest.mark.parametrize("opened", [open_engine, load], ids=["openvino", "torch"])
def test_an_engine_gives_what_plain_torch_gives_for_any_batch_size(graphs, opened, count) -> None:
    engine = opened(graphs, CPU, Precision.F32)
    np.testing.assert_allclose(engine.submit(noise(count))(), plain_torch(noise(count)), atol=1e-5)


IMPORTS = """
import sys
import openvino_telemetry
made = []
openvino_telemetry.Telemetry.__init__ = lambda *args, **kwargs: made.append(args)
openvino_telemetry.Telemetry.send_event = lambda *args, **kwargs: made.append(args)
import {module}
assert "openvino" in sys.modules
assert made == [], made
assert sys.modules["openvino_telemetry"] is openvino_telemetry
"""


@pytest.mark.parametrize("module", ["pyfunc_models.engines.openvino_engine", "pyfunc_models.packaging"])
def test_a_worker_that_imports_openvino_tells_nobody(module: str) -> None:
    subprocess.run([sys.executable, "-c", IMPORTS.format(module=module)], check=True)


def test_a_cpu_worker_gets_openvino(graphs: Path) -> None:
    assert type(open_engine(graphs, CPU, Precision.F32)).__name__ == "OpenVinoEngine"


def test_batches_in_flight_come_back_each_with_its_own_answer(graphs: Path) -> None:
    engine = open_engine(graphs, CPU, Precision.F32)
    batches = [noise(4, seed) for seed in range(engine.slots)]
    waits = [engine.submit(batch) for batch in batches]
    for batch, wait in reversed(list(zip(batches, waits, strict=True))):
        np.testing.assert_allclose(wait(), plain_torch(batch), atol=1e-5)


def test_a_gpu_that_is_not_there_is_an_error_and_not_the_cpu(graphs: Path) -> None:
    absent = Device("cuda", index=torch.cuda.device_count())
    with pytest.raises(EngineUnavailable, match=r"sees \d+ CUDA devices here"):
        open_engine(graphs, absent, Precision.F32)


def test_bf16_autocast_changes_the_numbers_a_little(graphs: Path) -> None:
    exact = load(graphs, CPU, Precision.F32).submit(noise(8))()
    rough = load(graphs, CPU, Precision.BF16).submit(noise(8))()
    assert rough.dtype == np.float32
    assert 0 < np.abs(exact - rough).max() < 0.05


class FitsOnly(torch.nn.Module):
    """A module whose device holds `most` images; keeps the sizes that it was called with."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.sizes: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError(f"{len(images)} images do not fit")
        return images.float().mean(dim=(1, 2))


def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_keeps_its_order() -> None:
    module = FitsOnly(most=5)
    engine = TorchEngine(module, CPU, Precision.F32)
    images = noise(32)
    np.testing.assert_allclose(engine.submit(images)(), images.mean(axis=(1, 2)), rtol=1e-5)
    assert max(size for size in module.sizes if size <= 5) == 4
    assert engine.limit == 4


def test_the_size_that_fitted_is_remembered_for_the_next_batch() -> None:
    module = FitsOnly(most=5)
    engine = TorchEngine(module, CPU, Precision.F32)
    engine.submit(noise(32))()
    module.sizes.clear()
    engine.submit(noise(32))()
    assert module.sizes == [4] * 8


def test_one_image_that_does_not_fit_is_an_error() -> None:
    engine = TorchEngine(FitsOnly(most=0), CPU, Precision.F32)
    with pytest.raises(torch.OutOfMemoryError):
        engine.submit(noise(2))


@pytest.fixture
def cuda(graphs: Path) -> Iterator[TorchEngine]:
    yield load(graphs, Device("cuda"), Precision.F32)
    torch.cuda.empty_cache()


@pytest.mark.gpu
def test_a_gpu_gives_what_the_cpu_gives(cuda: TorchEngine) -> None:
    np.testing.assert_allclose(cuda.submit(noise(64))(), plain_torch(noise(64)), atol=1e-4)


@pytest.mark.gpu
def test_batches_in_flight_on_a_gpu_keep_their_answers(cuda: TorchEngine) -> None:
    batches = [noise(16, seed) for seed in range(8)]
    waits = [cuda.submit(batch) for batch in batches]
    for batch, wait in zip(batches, waits, strict=True):
        np.testing.assert_allclose(wait(), plain_torch(batch), atol=1e-4)
