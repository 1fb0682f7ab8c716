"""Which GPU and how many threads this worker may use: what Spark gave the task, never more."""

import gc
import os
import sys
from dataclasses import dataclass
from typing import Any, Literal

DEVICE_VARIABLE = "STAGEWRIGHT_DEVICE"


@dataclass(frozen=True, slots=True)
class Device:
    """Where this worker infers: `kind` cpu or cuda, the GPU's `index` as torch counts, CPU `threads`."""

    kind: Literal["cpu", "cuda"]
    index: int = 0
    threads: int = 1

    def __str__(self) -> str:
        return f"cuda:{self.index}" if self.kind == "cuda" else "cpu"


def current() -> Device:
    """The device of the Spark task that runs now, or of this process outside Spark.

    In order: STAGEWRIGHT_DEVICE (`cpu` or `cuda:N`), the GPU address that Spark gave the task, the first GPU
    of CUDA_VISIBLE_DEVICES, else the CPU. Asked anew for every call: one Python worker serves many tasks, and
    Spark may give each another GPU. Raises ValueError on a STAGEWRIGHT_DEVICE that is neither.
    """
    forced = os.environ.get(DEVICE_VARIABLE)
    if forced:
        return _parse(forced)
    visible = _visible_gpus()
    address = _spark_gpu()
    if address is not None:
        return Device("cuda", _torch_index(address, visible), threads())
    if visible:
        return Device("cuda", 0, threads())
    return Device("cpu", 0, threads())


def threads() -> int:
    """CPU threads for this worker: `spark.task.cpus` inside a task, else the cores this process may use."""
    context = _task_context()
    if context is not None:
        return max(1, int(context.cpus()))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def settle() -> None:
    """Take what is loaded so far out of the garbage collector's sight, once for each Spark worker.

    Spark's daemon collects after every task, which walks through all that MLflow, pandas and the engine have
    imported: 0.17 s a task. Outside a Spark task nothing happens.
    """
    global _settled
    if _task_context() is not None and not _settled:
        _settled = True
        gc.freeze()


_settled = False


def _task_context() -> Any:
    # A Spark worker has imported pyspark long before it runs us; outside Spark there is nothing to ask.
    module = sys.modules.get("pyspark.taskcontext")
    return module.TaskContext.get() if module else None


def _spark_gpu() -> str | None:
    context = _task_context()
    gpu = context.resources().get("gpu") if context else None
    return str(gpu.addresses[0]) if gpu and gpu.addresses else None


def _visible_gpus() -> list[str]:
    listed = [entry.strip() for entry in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    # CUDA ends the list at the first entry that is no device: "-1" hides all.
    usable: list[str] = []
    for entry in listed:
        if not entry or entry == "-1":
            break
        usable.append(entry)
    return usable


def _torch_index(address: str, visible: list[str]) -> int:
    # torch counts inside CUDA_VISIBLE_DEVICES; Spark's discovery script counts the machine's GPUs.
    if address in visible:
        return visible.index(address)
    if address.isdigit():
        return int(address)
    raise ValueError(
        f"Spark gave this task the GPU address {address!r}, which is neither a number nor in "
        f"CUDA_VISIBLE_DEVICES ({visible}). Let the discovery script print the GPUs' indices."
    )


def _parse(text: str) -> Device:
    kind, _, index = text.partition(":")
    if kind == "cpu" and not index:
        return Device("cpu", 0, threads())
    if kind == "cuda" and (not index or index.isdigit()):
        return Device("cuda", int(index or 0), threads())
    raise ValueError(f"{DEVICE_VARIABLE}={text!r} is not a device; write 'cpu', 'cuda' or 'cuda:1'.")
