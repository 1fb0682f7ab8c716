"""`python -m benchmarks.startup`: what passes between the command and the first predictions, part by part.

Each repeat is a process of its own that does what `stagewright score` does, a step at a time.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import photos
from .catalogue import Contender
from .contenders.stepwise import SECONDS
from .networks import NETWORKS
from .preparation import Bench, prepare
from .processes import watch
from .run import quieten_mlflow, say

PHOTOS = 20
CONTENDER = Contender("stagewright-f32", "stepwise")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a Markdown table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--model", choices=list(NETWORKS), default="resnet18")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--cores", type=int, default=2, metavar="N")
    options = parser.parse_args(arguments)
    quieten_mlflow()
    with tempfile.TemporaryDirectory(prefix="stagewright-bench-") as scratch:
        folder = Path(scratch)
        taken = photos.make(PHOTOS, folder / "made")
        bench = Bench(NETWORKS[options.model], taken, folder / "bench", options.cores)
        prepare(bench, {CONTENDER.precision})
        runs = [_run(bench, folder / f"run{number}") for number in range(options.repeats)]
    sys.stdout.write(markdown(runs) + "\n")
    return 0


def markdown(runs: Sequence[dict[str, float]]) -> str:
    """Median, lowest and highest seconds of each part over the runs, and of all of it."""
    parts = {part: [run[part] for run in runs] for part in runs[0]}
    parts["all"] = [sum(run.values()) for run in runs]
    rows = [
        f"| {part} | {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f}) |"
        for part, values in parts.items()
    ]
    return "\n".join(["| part | seconds |", "|---|---:|", *rows])


def _run(bench: Bench, folder: Path) -> dict[str, float]:
    folder.mkdir()
    workload = folder / "workload.json"
    bench.workload(CONTENDER, PHOTOS, folder / "output").write(workload)
    watch(["-m", "benchmarks.contenders", CONTENDER.module, str(workload)], folder / "log.txt")
    found: dict[str, float] = json.loads((folder / SECONDS).read_text())
    say(f"{sum(found.values()):.1f} s")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
