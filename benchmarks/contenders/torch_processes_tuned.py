"""The same loop with what torch itself offers for CPUs: channels_last, batch norm folded by TorchScript."""

from ..workload import Workload
from . import torch_processes


def run(workload: Workload) -> None:
    """Score and write."""
    torch_processes.run(workload, tuned=True)
