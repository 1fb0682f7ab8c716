"""What k worker processes of one model hold: stagewright beside the plain PythonModel."""

import argparse
import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from . import catalogue, machine, measuring
from .networks import NETWORKS
from .photos import PhotoSet
from .preparation import Bench, prepare

NETWORK = "resnet50"
WORKERS = 4
PHOTOS = 160
BASE = "pyfunc"
CONTENDERS = (BASE, "stagewright-f32-worker-per-core", "stagewright-f32-1-worker")
JSON = "memory.json"
MARKDOWN = "memory.md"


@dataclass(frozen=True, slots=True)
class Held:
    """Megabytes (10^6) at the peak, shared pages counted once: Python workers alone, and the whole tree.

    Each the median over the repeats.
    """

    contender: str
    workers: float
    tree: float


def run(
    options: argparse.Namespace, photos: PhotoSet, scratch: Path, say: Callable[[str], None]
) -> list[Held]:
    """Measure and write JSON and Markdown."""
    network = NETWORKS[options.models[0] if len(options.models) == 1 else NETWORK]
    bench = Bench(network, photos, scratch / "memory", WORKERS)
    prepare(bench, {"f32"})
    known = catalogue.everyone(network)
    peaks: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(options.repeats):
        for name in CONTENDERS:
            watched, _ = measuring.run_once(bench, known[name], options.photos or PHOTOS)
            peak = watched.peak()
            peaks[name].append(peak)
            say(f"{name:34} workers {peak['max_workers']:,.0f} MB, whole tree {peak['total']:,.0f} MB")
    held = [_held(name, found) for name, found in peaks.items()]
    document = {
        "network": network.name,
        "workers": WORKERS,
        "repeats": options.repeats,
        "machine": machine.describe(),
        "versions": machine.versions(),
        "held": [asdict(one) for one in held],
    }
    (options.output / JSON).write_text(json.dumps(document, indent=1) + "\n")
    (options.output / MARKDOWN).write_text(markdown(network.title, held))
    return held


def markdown(title: str, held: list[Held]) -> str:
    """The table, with each against the plain PythonModel."""
    base = next(one for one in held if one.contender == BASE)
    rows = [
        f"| {one.contender} | {one.workers:,.0f} | {base.workers / one.workers:.1f}x "
        f"| {one.tree:,.0f} | {base.tree / one.tree:.1f}x |"
        for one in held
    ]
    return "\n".join(
        [
            f"# Memory of {WORKERS} workers with {title}",
            "",
            f"`python -m benchmarks --memory`: `local[{WORKERS}]`, peak of the proportional set size, so that pages",
            "which processes share are counted once. `workers` are the Python processes that score, with their",
            "daemon; the whole tree has the driver and the JVM too. The form with 1 worker has one process of",
            f"{WORKERS} threads instead of {WORKERS} processes.",
            "",
            f"| | workers, MB | less than {BASE} by | whole tree, MB | less than {BASE} by |",
            "|---|---:|---:|---:|---:|",
            *rows,
            "",
        ]
    )


def _held(name: str, peaks: list[dict[str, float]]) -> Held:
    workers = statistics.median(peak["max_workers"] for peak in peaks)
    return Held(name, workers, statistics.median(peak["total"] for peak in peaks))
