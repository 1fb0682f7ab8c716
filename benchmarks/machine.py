"""What the figures were measured on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

PACKAGES = (
    "stagewright",
    "mlflow",
    "pyspark",
    "torch",
    "torchvision",
    "openvino",
    "nncf",
    "pandas",
    "pyarrow",
    "numpy",
    "pillow",
    "ray",
    "daft",
)
# What decides whether the precisions below f32 are arithmetic or emulation.
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def describe() -> dict[str, str]:
    """CPU, its relevant flags, cores that this process may use, memory, kernel."""
    cpuinfo = _cpuinfo()
    flags = cpuinfo.get("flags", "").split()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": cpuinfo.get("model name", platform.processor() or platform.machine()),
        "family and model": f"{cpuinfo.get('cpu family', '?')}/{cpuinfo.get('model', '?')}",
        "flags": " ".join(flag for flag in FLAGS if flag in flags) or "none of " + " ".join(FLAGS),
        "cores": str(cores),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
    }


def versions() -> dict[str, str]:
    """Python and the packages that take part; one that is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cpuinfo() -> dict[str, str]:
    """Of the first core; empty where there is no /proc."""
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return {}
    first = file.read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
