"""A loop over the files in one process for each core, as one writes it without any framework.

Tuned: one torch thread a process, batches of 64.
"""

import multiprocessing
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from ..workload import Workload
from .files import batches, write_labels
from .torch_scoring import BATCH_SIZE, TorchScorer


def run(workload: Workload, *, tuned: bool = False) -> None:
    """Score and write."""
    files = workload.files()
    shares = [files[start :: workload.cores] for start in range(workload.cores)]
    with multiprocessing.get_context("spawn").Pool(workload.cores) as pool:
        labels = pool.map(partial(_labels, workload, tuned), shares, chunksize=1)
    write_labels(workload, list(chain(*shares)), list(chain(*labels)))


def _labels(workload: Workload, tuned: bool, files: Sequence[Path]) -> list[int]:
    scorer = TorchScorer(workload.network, workload.weights, tuned=tuned)
    return [
        label
        for batch in batches(files, BATCH_SIZE)
        for label in scorer.labels([file.read_bytes() for file in batch])
    ]
