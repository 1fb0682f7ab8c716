"""`python -m benchmarks.startup`: what passes between the command and the first predictions, part by part.

Each repeat is a process of its own that does what `stagewright score` does, a step at a time.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from . import photos
from .catalogue import Contender
from .networks import NETWORKS
from .preparation import Bench, prepare
from .processes import ROOT
from .run import quieten_mlflow, say
from .workload import URI, Workload

PHOTOS = 20
CONTENDER = Contender("stagewright-f32", "stagewright")


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


def steps(workload: Workload) -> dict[str, float]:
    """Run the job in this process; seconds of each part, in order."""
    laps = _Laps()
    from jobs import ScoreOptions, Sink, Source, open_session, score, sinks, sources
    from registry import Registry

    laps.end("import stagewright, pyspark and mlflow")
    spark = open_session(master=f"local[{workload.cores}]")
    laps.end("start the JVM and the session")
    registry = Registry(workload.registry)
    version = registry.resolve(URI)
    laps.end("resolve the stage")
    source = Source(workload.photos)
    images = sources.read(spark, source)
    laps.end("list the photos")
    paths = sources.by_path(images, source)
    options = ScoreOptions(content_as="path")
    predictions = score(images if paths is None else paths, version, registry=registry, options=options)
    laps.end("fetch and verify the version, make the UDF")
    predictions.limit(1).collect()
    laps.end("first predictions: start a worker, import, load, predict")
    sinks.write(predictions, Sink(workload.output))
    laps.end("all photos once more, on all workers, and write")
    spark.stop()
    laps.end("stop")
    return laps.seconds


class _Laps:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def end(self, part: str) -> None:
        now = time.monotonic()
        self.seconds[part] = now - self._since
        self._since = now


CHILD = """
import json, sys
from pathlib import Path
from benchmarks.startup import steps
from benchmarks.workload import Workload
Path(sys.argv[2]).write_text(json.dumps(steps(Workload.read(Path(sys.argv[1])))))
"""


def _run(bench: Bench, folder: Path) -> dict[str, float]:
    folder.mkdir()
    bench.workload(CONTENDER, PHOTOS, folder / "output").write(folder / "workload.json")
    seconds = folder / "seconds.json"
    command = [sys.executable, "-c", CHILD, str(folder / "workload.json"), str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The job failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(seconds.read_text())
    say(f"{sum(found.values()):.1f} s")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
