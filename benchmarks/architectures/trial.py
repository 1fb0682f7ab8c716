"""One architecture, tried: packaged, held against torch, and measured, here or in a process of its own."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyfunc_models import Preprocess, normalize
from pyfunc_models.engines import Engine, EngineUnavailable, Precision, open_engine
from pyfunc_models.engines.device import Device, threads
from pyfunc_models.packaging import ExportError, PackageOptions, PackagingError, package
from pyfunc_models.packaging.export import OutputsDiffer
from pyfunc_models.worker.image_model import PREPROCESS

from .. import machine

SEED = 0
ROUNDS = 3
BATCH = 8
# How many times as long as a measurement a batch may take: the largest networks would take many minutes.
LONGEST_BATCH = 5
_REASON_CHARS = 300
# Of weights that a library leaves at zero: as transformers are begun with.
_SMALL_STD = 0.02


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one architecture. `reason`: why it cannot be packaged; "" where it can.

    `difference`: the largest of a logit between torch and OpenVINO at f32, as a share of the largest logit. `f32`,
    `bf16`: photos a second of the engine alone; None where this machine has no such arithmetic.
    """

    name: str
    cpu: str
    reason: str = ""
    parameters: int = 0
    size: tuple[int, int] = (0, 0)
    packaged_s: float = 0.0
    difference: float | None = None
    f32: float | None = None
    bf16: float | None = None

    @classmethod
    def of(cls, said: dict[str, Any]) -> "Tried":
        """From its JSON."""
        return cls(**{**said, "size": tuple(said["size"])})


def try_one(name: str, seconds: float) -> Tried:
    """Package it and measure it, here."""
    tried = Tried(name, machine.describe()["cpu"])
    torch.manual_seed(SEED)
    try:
        module, preprocess = build(name)
    except Exception as error:  # the library's own
        return replace(tried, reason=_first(f"not built: {error!r}"))
    count = sum(weight.numel() for weight in module.parameters())
    tried = replace(tried, parameters=count, size=preprocess.output_size)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stagewright-architecture-") as scratch:
        try:
            made = package(module, preprocess, into=Path(scratch) / "model", options=PackageOptions())
        except (ExportError, PackagingError) as error:
            rounding = _rounding(module, preprocess) if isinstance(error, OutputsDiffer) else ""
            return replace(tried, reason=_first(str(error)) + rounding)
        took = round(time.monotonic() - started, 1)
        return replace(_measured(tried, module, made / "artifacts" / "model", seconds), packaged_s=took)


def build(name: str) -> tuple[torch.nn.Module, Preprocess]:
    """With random weights, and how its library prepares photos: size, mean and std."""
    library, _, model = name.partition(":")
    module, preprocess = _BUILDERS[library](model)
    _settle(module.eval(), preprocess)
    return module, preprocess


def _settle(module: torch.nn.Module, preprocess: Preprocess) -> None:
    """Give batch normalisations the statistics of a batch: without, untrained activations fade layer by layer,
    and the logits would be the last bias whatever the photo is. Nor may weights be all zero, as some libraries have
    the last layer before it is trained."""
    for weight in module.parameters():
        if weight.dim() > 1 and not weight.any():
            torch.nn.init.normal_(weight, std=_SMALL_STD)
    norms = [part for part in module.modules() if isinstance(part, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    if norms:
        _of_torch(module, _noise(preprocess.output_size), preprocess)
    module.eval()


def _of_torchvision(name: str) -> tuple[torch.nn.Module, Preprocess]:
    import torchvision

    weights = torchvision.models.get_model_weights(name).DEFAULT
    known = weights.transforms()
    edge = known.crop_size[0]
    extra: dict[str, Any] = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    if name.startswith("vit_"):  # takes photos of one size, and not each version of its weights of the same
        extra = {"image_size": edge}
    module = torchvision.models.get_model(name, weights=None, **extra)
    return module, Preprocess(resize=(edge, edge), mean=tuple(known.mean), std=tuple(known.std))


def _of_timm(name: str) -> tuple[torch.nn.Module, Preprocess]:
    import timm

    module = timm.create_model(name, pretrained=False)
    config = timm.data.resolve_model_data_config(module)
    _, height, width = config["input_size"]
    return module, Preprocess(resize=(height, width), mean=config["mean"], std=config["std"])


_BUILDERS: dict[str, Callable[[str], tuple[torch.nn.Module, Preprocess]]] = {
    "torchvision": _of_torchvision,
    "timm": _of_timm,
}


def _measured(tried: Tried, module: torch.nn.Module, graphs: Path, seconds: float) -> Tried:
    here = Device("cpu", threads=threads())
    engines = {"f32": open_engine(graphs, here, Precision.F32)}
    images = _batch(engines["f32"], tried.size, seconds)
    found = engines["f32"].submit(images)()
    expected = _of_torch(module, images, Preprocess.from_json((graphs / PREPROCESS).read_text()))
    difference = float(np.abs(found - expected).max() / np.abs(expected).max())
    with suppress(EngineUnavailable):
        engines["bf16"] = open_engine(graphs, here, Precision.BF16)
    speeds = _speeds(engines, images, seconds)
    return replace(tried, difference=difference, f32=speeds["f32"], bf16=speeds.get("bf16"))


def _batch(engine: Engine, size: tuple[int, int], seconds: float) -> np.ndarray[Any, Any]:
    """What is measured with: a batch, or one photo where a batch would take much longer than `seconds`."""
    images = _noise(size)
    started = time.perf_counter()
    engine.submit(images[:1])()
    took = time.perf_counter() - started
    return images if took * len(images) < LONGEST_BATCH * seconds else images[:1]


def _noise(size: tuple[int, int]) -> np.ndarray[Any, Any]:
    return np.random.default_rng(SEED).integers(0, 256, (BATCH, *size, 3), dtype=np.uint8)


def _speeds(engines: dict[str, Engine], images: np.ndarray[Any, Any], seconds: float) -> dict[str, float]:
    """By turns, the median of each: a noisy neighbour slows both."""
    rounds = [
        {name: _speed(engine, images, seconds / ROUNDS) for name, engine in engines.items()}
        for _ in range(ROUNDS)
    ]
    return {name: statistics.median(one[name] for one in rounds) for name in engines}


def _of_torch(
    module: torch.nn.Module,
    images: np.ndarray[Any, Any],
    spec: Preprocess,
    dtype: torch.dtype = torch.float32,
) -> np.ndarray[Any, Any]:
    with torch.no_grad():
        outputs = module(torch.from_numpy(normalize(images, spec)).to(dtype))
    answer = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
    return np.asarray(answer)


def _rounding(module: torch.nn.Module, preprocess: Preprocess) -> str:
    """What float32 alone makes of the module's logits: in random weights rounding may grow beyond what is allowed."""
    images = _noise(preprocess.output_size)[:1]
    try:
        single = _of_torch(module, images, preprocess)
        double = _of_torch(module.double(), images, preprocess, torch.float64)
    except Exception:  # it answers otherwise than with logits, or makes float32 of its own
        return ""
    share = float(np.abs(single - double).max() / np.abs(double).max())
    return f" (torch's own float32 is {share:.1e} from its float64.)"


def _speed(engine: Engine, images: np.ndarray[Any, Any], seconds: float) -> float:
    """Photos a second, with as many batches at once as the engine takes, after one that is not counted."""
    engine.submit(images)()
    pending: list[Any] = []
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        pending.append(engine.submit(images))
        if len(pending) == engine.slots:
            pending.pop(0)()
            count += len(images)
    for wait in pending:
        wait()
    return float(f"{(count + len(images) * len(pending)) / (time.perf_counter() - started):.4g}")


def _first(text: str) -> str:
    return " ".join(text.split())[:_REASON_CHARS]


def say_result(tried: Tried) -> None:
    """The last line of a process's output."""
    sys.stdout.write(json.dumps(asdict(tried)) + "\n")


def in_a_process(name: str, seconds: float, timeout_s: float) -> Tried:
    """Whatever becomes of it there: a crash or a hang is a row, too."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.architectures", "--one", name]
    failed = Tried(name, machine.describe()["cpu"])
    try:
        done = subprocess.run(
            [*command, "--seconds", str(seconds)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return replace(failed, reason=f"not done after {timeout_s:g} s")
    last = (done.stdout.splitlines() or [""])[-1]
    if done.returncode or not last.startswith("{"):
        said = (done.stderr.splitlines() or ["nothing"])[-1]
        return replace(failed, reason=_first(f"ended with {done.returncode}: {said}"))
    return Tried.of(json.loads(last))
