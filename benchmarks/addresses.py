"""`python -m benchmarks.addresses`: the same photos from an S3 server that is far away, and from this disk.

The server is a process of its own on this machine, so that its CPU time is taken from the job's; it is told apart.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from . import photos
from .catalogue import Contender
from .contenders.addressed import REPORT
from .networks import NETWORKS
from .photos import PhotoSet
from .preparation import Bench, prepare
from .processes import ROOT, watch
from .run import quieten_mlflow, say

BUCKET = "photos"
DISK, STORE = Contender("disk", "addressed"), Contender("store", "addressed")
# Credentials that the server takes; it takes any.
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}


@dataclass(frozen=True, slots=True)
class Pair:
    """Photos a second of both jobs, one after the other, as their reports say: from the first task to the last word.

    `server_cpu_s`: CPU seconds that the server took meanwhile.
    """

    disk: float
    store: float
    server_cpu_s: float

    @property
    def ratio(self) -> float:
        return self.store / self.disk


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a Markdown table; returns the exit code."""
    options = _parser().parse_args(arguments)
    quieten_mlflow()
    with tempfile.TemporaryDirectory(prefix="stagewright-bench-") as scratch:
        folder = Path(scratch)
        taken = (
            photos.own(options.images) if options.images else photos.make(options.different, folder / "made")
        )
        bench = Bench(NETWORKS[options.model], taken, folder / "bench", options.cores)
        prepare(bench, {DISK.precision})
        with server(options.latency_ms / 1000) as (address, process):
            os.environ.update({**ENVIRONMENT, "AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true"})
            table = upload(taken, options.photos, folder)
            pairs = []
            for repeat in range(options.repeats):
                pairs.append(_measure(bench, table, options.photos, process, repeat))
                say(f"{repeat + 1}/{options.repeats}: {pairs[-1]}, ratio {pairs[-1].ratio:.2f}")
    sys.stdout.write(f"{markdown(pairs)}\n")
    return 0


def markdown(pairs: Sequence[Pair]) -> str:
    """A line a pair, and the medians."""
    rows = [
        f"| {each.disk:.1f} | {each.store:.1f} | {each.ratio:.2f} | {each.server_cpu_s:.0f} |"
        for each in pairs
    ]
    middle = statistics.median(each.ratio for each in pairs)
    header = (
        "| from disk, photos a second | from the store | ratio | CPU s of the server |\n|---:|---:|---:|---:|"
    )
    return "\n".join([header, *rows, f"| | | **{middle:.2f}** | |"])


@contextmanager
def server(latency_s: float) -> Iterator[tuple[str, psutil.Process]]:
    """A real S3 server in a process of its own: its address and its process."""
    command = [sys.executable, "-m", "benchmarks.s3_server", str(latency_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), psutil.Process(process.pid)
        finally:
            process.terminate()


def upload(taken: PhotoSet, rows: int, folder: Path) -> Path:
    """A table of `rows` addresses of photos that the store has now, in one file of a folder of its own."""
    from obstore.store import S3Store

    store = S3Store(BUCKET, client_options={"allow_http": True})
    _make_bucket()
    files = [taken.files[number % len(taken.files)] for number in range(rows)]
    names = [f"{number:06}-{file.name}" for number, file in enumerate(files)]
    for name, file in zip(names, files, strict=True):
        store.put(f"{rows}/{name}", file.read_bytes())
    table = folder / f"table-{rows}"
    table.mkdir()
    addresses = [f"s3://{BUCKET}/{rows}/{name}" for name in names]
    pq.write_table(pa.table({"path": addresses}), table / "addresses.parquet")
    return table


def _make_bucket() -> None:
    import boto3

    boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1").create_bucket(
        Bucket=BUCKET
    )


def _measure(bench: Bench, table: Path, rows: int, process: psutil.Process, repeat: int) -> Pair:
    before, found = _cpu_s(process), {}
    for contender in (DISK, STORE) if repeat % 2 == 0 else (STORE, DISK):
        found[contender.name] = _photos_a_second(bench, contender, table, rows)
    return Pair(found["disk"], found["store"], _cpu_s(process) - before)


def _photos_a_second(bench: Bench, contender: Contender, table: Path, rows: int) -> float:
    with tempfile.TemporaryDirectory(dir=bench.folder) as scratch:
        output, workload = Path(scratch) / "output", Path(scratch) / "workload.json"
        if contender is STORE:
            bench.table_workload(contender, table, output).write(workload)
        else:
            bench.workload(contender, rows, output).write(workload)
        arguments = ["-m", "benchmarks.contenders", contender.module, str(workload)]
        watch(arguments, Path(scratch) / "log.txt")
        report = json.loads(output.with_name(REPORT).read_text())
    if report["by_status"] != {"ok": rows}:
        raise ValueError(f"{contender.name}: of {rows} photos there are {report['by_status']}.")
    return float(report["images_per_second"])


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.addresses", description=__doc__)
    parser.add_argument("--model", choices=list(NETWORKS), default="resnet18")
    parser.add_argument("--photos", type=int, default=2000, metavar="N")
    parser.add_argument("--different", type=int, default=200, metavar="N", help="different photos to make")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="JPEGs of one's own; default: made from free ones"
    )
    parser.add_argument("--latency-ms", type=float, default=20.0, metavar="MS", help="before each answer")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--cores", type=int, default=2, metavar="N")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
