"""How many workers an executor runs: one a core, or for a big model one with all cores."""

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Each worker keeps its own copy of the weights as the engine lays them out, and nothing can share it
# (docs/decisions/0003). Four copies of this size are the gigabyte that Spark gives an executor by itself.
BIG_MODEL_BYTES = 256 * 1024 * 1024
TASK_CPUS = "spark.task.cpus"


def for_models(
    models: Sequence[Path],
    master: str | None,
    settings: Mapping[str, str],
    say: Callable[[str], None],
) -> tuple[str | None, dict[str, str]]:
    """The master and the settings of a session for `models`, directories, before it starts.

    For a model from `BIG_MODEL_BYTES` on, `spark.task.cpus` is all cores of an executor: its one worker runs as many
    threads, and holds one copy of the weights. A user's own `spark.task.cpus` wins. Where nothing says how many cores
    an executor has, the settings stay as they are and `say` is told.
    """
    # A GPU's task is one worker already, and an executor may have several.
    if TASK_CPUS in settings or "spark.task.resource.gpu.amount" in settings:
        return master, dict(settings)
    largest = max(_largest_file(model) for model in models)
    if largest < BIG_MODEL_BYTES:
        return master, dict(settings)
    size = f"The model has a file of {largest / 1e6:,.0f} MB"
    master = master or settings.get("spark.master")
    cores = _cores_of_an_executor(master, settings)
    if cores is None:
        say(
            f"{size}, and each worker of an executor will hold a copy; "
            f"--conf {TASK_CPUS}=N, as many as an executor has cores, keeps one."
        )
        return master, dict(settings)
    say(f"{size}: one worker with {cores} threads holds one copy (--conf {TASK_CPUS}=1: one worker a core).")
    # All cores are counted here and by the JVM, each in its own way: Spark refuses tasks of more cores than it counts.
    return (master or "local[*]").replace("*", str(cores)), {**settings, TASK_CPUS: str(cores)}


def _largest_file(folder: Path) -> int:
    return max(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _cores_of_an_executor(master: str | None, settings: Mapping[str, str]) -> int | None:
    # spark-submit knows the master, and we do not.
    if master is None and "PYSPARK_GATEWAY_PORT" in os.environ:
        return None
    local = re.fullmatch(r"local(?:\[(\d+|\*)(?:,\d+)?\])?", master or "local[*]")
    if local is None:
        cores = settings.get("spark.executor.cores", "")
        return int(cores) if cores.isdigit() else None
    if local[1] is None:
        return 1
    return _all_cores() if local[1] == "*" else int(local[1])


def _all_cores() -> int:
    """Those that this process may use, by its affinity and its container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _quota())))


def _quota(path: Path = Path("/sys/fs/cgroup/cpu.max")) -> float:
    """Cores' worth of time that version 2 of Linux's control groups allows; infinity where there is no limit."""
    try:
        quota, period = path.read_text().split()
    except (OSError, ValueError):
        return math.inf
    return math.inf if quota == "max" else float(quota) / float(period)
