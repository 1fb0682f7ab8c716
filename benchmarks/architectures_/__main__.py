"""`python -m benchmarks.architectures`: which architectures can be packaged, how near to torch they answer, how fast.

Every classification model of torchvision and one of each family of timm, with random weights: nothing is fetched.
Each is tried in a process of its own, and what came of it is written at once, so that the command, stopped at any
instant, goes on where it was. What fails is kept with what torch or OpenVINO says of it.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyfunc_models import Preprocess
from pyfunc_models.engines import Engine, EngineUnavailable, Precision, open_engine
from pyfunc_models.engines.device import Device, threads
from pyfunc_models.packaging import ExportError, PackageOptions, PackagingError, package
from pyfunc_models.worker.image_model import PREPROCESS

from . import machine
from .run import say

JSON, TABLE = Path("docs/benchmarks/architectures.json"), Path("docs/architectures.md")
SEED = 0
# Of timm's families, the smallest by its name.
_SMALL = ("pico", "femto", "atto", "nano", "xxs", "micro", "tiny", "xs", "mini", "small", "s")
_REASON_CHARS = 300


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what is not in the record yet, and write the table; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.one:
        say_result(try_one(options.one, options.seconds))
        return 0
    names = options.only or list(all_names())
    done = {} if options.again else read(options.record)
    for place, name in enumerate(names, start=1):
        if name not in done or not (done[name].reason or done[name].f32):
            done[name] = _in_a_process(name, options)
            write(options.record, options.table, done, len(names))
            say(f"{place}/{len(names)} {name}: {done[name].reason or 'ok'}")
    write(options.record, options.table, done, len(names))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.architectures", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="torchvision:resnet50 or timm:vit_tiny_…")
    parser.add_argument("--again", action="store_true", help="try what is in the record, too")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement of speed")
    parser.add_argument("--timeout", type=float, default=1200.0, help="seconds for one architecture")
    parser.add_argument("--record", type=Path, default=JSON)
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)
    return parser


# --- which


def all_names() -> Iterator[str]:
    """`torchvision:…` and `timm:…`, by name."""
    import timm
    import torchvision

    for name in sorted(torchvision.models.list_models(module=torchvision.models)):
        yield f"torchvision:{name}"
    for family in sorted(timm.list_modules()):
        models = [name for name in timm.list_models(module=family) if not name.startswith("test_")]
        if models:
            yield f"timm:{min(models, key=_by_size)}"


def _by_size(name: str) -> tuple[int, list[int | str], str]:
    words = re.split(r"[_\d]+", name)
    rank = next((place for place, word in enumerate(_SMALL) if word in words), len(_SMALL))
    numbers = [int(number) for number in re.findall(r"\d+", name)]
    return rank, [*numbers, len(name)], name


# --- one


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
            return replace(tried, reason=_first(str(error)))
        took = round(time.monotonic() - started, 1)
        return replace(_measured(tried, module, made / "artifacts" / "model", seconds), packaged_s=took)


def build(name: str) -> tuple[torch.nn.Module, Preprocess]:
    """With random weights, and how its library prepares photos: size, mean and std."""
    library, _, model = name.partition(":")
    module, preprocess = _BUILDERS[library](model)
    return module.eval(), preprocess


def _of_torchvision(name: str) -> tuple[torch.nn.Module, Preprocess]:
    import torchvision

    weights = torchvision.models.get_model_weights(name).DEFAULT
    known = weights.transforms()
    extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    module = torchvision.models.get_model(name, weights=None, **extra)
    edge = known.crop_size[0]
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
    images = np.random.default_rng(SEED).integers(0, 256, (8, *tried.size, 3), dtype=np.uint8)
    engine = open_engine(graphs, here, Precision.F32)
    found = engine.submit(images)()
    expected = _of_torch(module, images, Preprocess.from_json((graphs / PREPROCESS).read_text()))
    difference = float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-6))
    speeds: dict[str, float | None] = {"f32": _speed(engine, images, seconds), "bf16": None}
    with suppress(EngineUnavailable):
        speeds["bf16"] = _speed(open_engine(graphs, here, Precision.BF16), images, seconds)
    return replace(tried, difference=difference, **speeds)


def _of_torch(
    module: torch.nn.Module, images: np.ndarray[Any, Any], spec: Preprocess
) -> np.ndarray[Any, Any]:
    from pyfunc_models import normalize

    with torch.no_grad():
        outputs = module(torch.from_numpy(normalize(images, spec)))
    answer = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
    return np.asarray(answer)


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
    return round((count + len(images) * len(pending)) / (time.perf_counter() - started), 1)


def _first(text: str) -> str:
    return " ".join(text.split())[:_REASON_CHARS]


# --- each in a process, and its record


def say_result(tried: Tried) -> None:
    """The last line of a process's output."""
    sys.stdout.write(json.dumps(asdict(tried)) + "\n")


def _in_a_process(name: str, options: argparse.Namespace) -> Tried:
    """Whatever becomes of it there: a crash or a hang is a row, too."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.architectures", "--one", name]
    failed = Tried(name, machine.describe()["cpu"])
    try:
        done = subprocess.run(
            [*command, "--seconds", str(options.seconds)],
            capture_output=True,
            text=True,
            timeout=options.timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return replace(failed, reason=f"not done after {options.timeout:g} s")
    last = (done.stdout.splitlines() or [""])[-1]
    if done.returncode or not last.startswith("{"):
        said = (done.stderr.splitlines() or ["nothing"])[-1]
        return replace(failed, reason=_first(f"ended with {done.returncode}: {said}"))
    return _tried(json.loads(last))


def read(record: Path) -> dict[str, Tried]:
    """What is known already, by name."""
    if not record.is_file():
        return {}
    return {one["name"]: _tried(one) for one in json.loads(record.read_text())["architectures"]}


def _tried(said: dict[str, Any]) -> Tried:
    return Tried(**{**said, "size": tuple(said["size"])})


def write(record: Path, table: Path, done: dict[str, Tried], wanted: int) -> None:
    """The record, and the table that is made of it; both at once or not at all."""
    document = {"versions": machine.versions(), "architectures": [asdict(one) for one in done.values()]}
    for file, text in ((record, json.dumps(document, indent=1)), (table, as_table(done, wanted))):
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f".{file.name}")
        unfinished.write_text(text.rstrip() + "\n")
        unfinished.replace(file)


def as_table(done: dict[str, Tried], wanted: int) -> str:
    """Markdown: a line each, what failed below it."""
    good = [one for one in done.values() if not one.reason]
    bad = [one for one in done.values() if one.reason]
    cpus = sorted({one.cpu for one in done.values()})
    lines = [
        _HEAD.format(good=len(good), done=len(done), wanted=max(wanted, len(done)), cpus="; ".join(cpus))
    ]
    lines += [_line(one) for one in sorted(good, key=lambda one: one.name)]
    if bad:
        lines += [
            "",
            "## What cannot be packaged",
            "",
            "| architecture | why, as torch or OpenVINO says it |",
            "|---|---|",
        ]
        lines += [
            f"| `{one.name}` | {one.reason.replace('|', '/')} |"
            for one in sorted(bad, key=lambda one: one.name)
        ]
    return "\n".join(lines)


_HEAD = """# Architectures

Every classification model of torchvision, and one of each family of timm (its smallest, by its name), with random
weights: packaged, and its graph for OpenVINO held against torch. `make architectures` goes on where it was stopped,
`ARGS=--again` begins anew. {good} of {done} that were tried can be packaged; {wanted} were to be tried by the last
command.

`difference` is the largest of a logit, as a share of the largest logit, on 8 images of noise. Speeds are of the engine
alone in one process, without decoding, on: {cpus}. They are for comparing f32 with bf16 in one line, and no benchmark;
what has none is measured by the next command.

| architecture | parameters | photos | packaged | difference | f32 | bf16 | bf16 / f32 |
|---|---:|---|---:|---:|---:|---:|---:|"""


def _line(one: Tried) -> str:
    ratio = f"{one.bf16 / one.f32:.2f}" if one.f32 and one.bf16 else ""
    size = f"{one.size[0]} x {one.size[1]}"
    speeds = " | ".join("" if speed is None else f"{speed:,.1f}" for speed in (one.f32, one.bf16))
    packaged = f"{one.parameters / 1e6:,.1f} M | {size} | {one.packaged_s:,.0f} s"
    return f"| `{one.name}` | {packaged} | {one.difference or 0:.1e} | {speeds} | {ratio} |"


if __name__ == "__main__":
    raise SystemExit(main())
