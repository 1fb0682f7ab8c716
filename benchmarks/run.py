"""The command line of the benchmark."""

import argparse
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from . import catalogue, machine, measuring, memory, photos, report, results
from .catalogue import Contender
from .measuring import Plan
from .networks import NETWORKS, Network
from .photos import PhotoSet
from .preparation import Bench, prepare
from .processes import ROOT

DOCUMENTS = ROOT / "docs" / "benchmarks"
DIFFERENT_PHOTOS = 200
# spark.sql.files.maxPartitionBytes and spark.sql.files.openCostInBytes, as all contenders on Spark have them.
TASK_BYTES = 128 * 2**20
OPEN_COST_BYTES = 64 * 2**10
MEASURED = [name for name in NETWORKS if name != "colours"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, merge with what was measured before, write the report; returns the exit code."""
    options = _parser().parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    results.read(options.output / report.JSON)  # fails now rather than after an hour
    quieten_mlflow()
    with tempfile.TemporaryDirectory(prefix="stagewright-bench-") as scratch:
        photo_set = _photos(options, Path(scratch))
        if options.memory:
            memory.run(options, photo_set, Path(scratch), say)
            return 0
        for name in options.models:
            _measure(NETWORKS[name], options, photo_set, Path(scratch))
    return 0


def say(line: str) -> None:
    """Progress, to stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def quieten_mlflow() -> None:
    """Its bars and its advice on other people's models would hide the progress."""
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="mlflow")


def _measure(network: Network, options: argparse.Namespace, photo_set: PhotoSet, scratch: Path) -> None:
    say(f"{network.name}: preparing")
    contenders = _contenders(network, options.contenders)
    photos_wanted = options.photos or network.photos
    rounds = _photos_of_a_round(photo_set, options.cores)
    plan = Plan(contenders, photos_wanted, options.repeats, options.even, rounds)
    bench = Bench(network, photo_set, scratch / network.name, options.cores)
    prepare(bench, {contender.precision for contender in contenders})
    started = datetime.now(UTC).isoformat(timespec="seconds")
    measured = results.Invocation(
        network=network.name,
        started=started,
        machine=machine.describe(),
        versions=machine.versions(),
        photos=_described(photo_set),
        cores=bench.cores,
        results=measuring.measure(bench, plan, say),
    )
    # Written after each network: a sitting that is broken off keeps what it has.
    known = results.read(options.output / report.JSON)
    merged = results.merge(known, measured, append=options.append)
    results.write(options.output / report.JSON, merged)
    for file in report.write(options.output, merged):
        say(f"wrote {file}")


def _photos_of_a_round(photo_set: PhotoSet, cores: int) -> int:
    """As many as Spark packs into one task for each core, and a little fewer: files do not fill a task to the byte."""
    counted = photo_set.mean_kilobytes * 1000 + OPEN_COST_BYTES
    return int(cores * 0.985 * TASK_BYTES / counted)


def _photos(options: argparse.Namespace, scratch: Path) -> PhotoSet:
    if options.images:
        return photos.own(options.images)
    say(f"making {options.different} photos")
    return photos.make(options.different, scratch / "made")


def _described(photo_set: PhotoSet) -> dict[str, object]:
    return {
        "source": photo_set.source,
        "different": len(photo_set.files),
        "mean_kilobytes": round(photo_set.mean_kilobytes, 1),
    }


def _contenders(network: Network, wanted: Sequence[str] | None) -> tuple[Contender, ...]:
    """Those that are asked for; one whose package is not installed ends the run instead of missing in the table."""
    known = catalogue.everyone(network)
    names = wanted or catalogue.usual(network)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"There is no contender {', '.join(unknown)}; there are {', '.join(known)}.")
    missing = [name for name in names if not known[name].installed]
    if missing:
        raise SystemExit(f"{', '.join(missing)}: pip install 'stagewright[bench]'.")
    return tuple(known[name] for name in names)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add(
        "--models",
        nargs="+",
        choices=list(NETWORKS),
        default=MEASURED,
        metavar="MODEL",
        help=", ".join(NETWORKS),
    )
    add(
        "--contenders", nargs="+", metavar="NAME", help="default: all that are installed, in their usual form"
    )
    add("--images", type=Path, metavar="DIR", help="JPEGs to score; default: made from free ones")
    add("--different", type=int, default=DIFFERENT_PHOTOS, metavar="N", help="different photos to make")
    add(
        "--photos",
        type=int,
        metavar="N",
        help="photos for the article's code; default: the model's own number",
    )
    add("--even", action="store_true", help="the same number of photos for everyone, not for the same time")
    add("--repeats", type=int, default=3, metavar="N")
    add("--cores", type=int, default=2, metavar="N", help="cores that each contender may use")
    add("--output", type=Path, default=DOCUMENTS, metavar="DIR", help="where JSON, Markdown and plot go")
    add("--append", action="store_true", help="keep earlier results of the same model beside the new ones")
    add("--memory", action="store_true", help="measure the memory of 4 workers instead of speed")
    return parser
