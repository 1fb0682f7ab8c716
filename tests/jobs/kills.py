"""Kill scoring jobs at random instants, one after the other, and say what is left: `python -m tests.jobs.kills`.

Each is started while what the last one left lies there. In the end one job runs to its end: no run says RUNNING then,
and of all temporary files none is left. Exits with 1 where that is not so, or where more was left than one model and
what Spark has in its own folders.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from mlruns_fixture.build import Fixture, build
from tests.conftest import forget_mlflow_state  # first, for it keeps MLflow and Spark off the network

# Log, class lists and the like of Spark, and the zip of a model without its big files.
BESIDE_THE_MODEL = 2_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        return kill(Path(scratch), given.kills, random.Random(given.seed))


def kill(folder: Path, kills: int, chance: random.Random) -> int:
    fixture = build(folder / "registry")
    temporary = folder / "t"
    temporary.mkdir()
    whole_s = _run(fixture, folder / "whole", temporary, None)
    model = max(size(version) for version in (folder / "registry" / "packaged").iterdir())
    left = []
    for n in range(kills):
        instant = chance.uniform(0, whole_s)
        _run(fixture, folder / f"out-{n}", temporary, instant)
        left.append(size(temporary))
        _say(f"{n + 1}: killed after {instant:.1f} s, {left[-1]:,} bytes left")
    _run(fixture, folder / "last", temporary, None)
    statuses = _statuses(fixture)
    rest = [path for path in temporary.rglob("*") if path.parent != temporary]
    _say(
        f"{kills} jobs killed at random instants of {whole_s:.1f} s: at most {max(left):,} bytes in temporary files, "
        f"a model has {model:,}; after one whole job {len(rest)} files and folders, runs {dict(statuses)}"
    )
    return int(bool(rest) or max(left) > model + BESIDE_THE_MODEL or bool(statuses["RUNNING"]))


def _run(fixture: Fixture, output: Path, temporary: Path, kill_after_s: float | None) -> float:
    """The seconds that a job took, which ends by itself or is killed."""
    command = [
        str(Path(sys.executable).parent / "stagewright"), "score", "models:/colours/Production",
        "--input", str(fixture.photos), "--output", str(output), "--max-error-rate", "1", "--master", "local[1]",
    ]  # fmt: skip
    env = {**os.environ, "MLFLOW_TRACKING_URI": fixture.uri, "TMPDIR": str(temporary)}
    started = time.monotonic()
    job = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if kill_after_s is None:
        _, said = job.communicate()
        assert job.returncode == 0, said
    else:
        time.sleep(kill_after_s)
        job.send_signal(signal.SIGKILL)
        job.communicate()
    return time.monotonic() - started


def size(folder: Path) -> int:
    """Bytes of all files below it; what goes while it is looked at counts as nothing."""
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(here, name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


def _statuses(fixture: Fixture) -> Counter[str]:
    from mlflow import MlflowClient

    forget_mlflow_state()
    client = MlflowClient(fixture.uri)
    place = client.get_experiment_by_name("stagewright-jobs")
    return Counter(run.info.status for run in client.search_runs([place.experiment_id]))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
