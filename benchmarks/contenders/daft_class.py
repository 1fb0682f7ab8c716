"""Daft: a class whose batch method runs in a pool of processes.

Tuned: one process and one torch thread for each core, batches of 64.
"""

import daft

from ..workload import Workload
from .torch_scoring import BATCH_SIZE, TorchScorer


def run(workload: Workload) -> None:
    """Score and write."""

    @daft.cls(max_concurrency=workload.cores, use_process=True)
    class Predict:
        def __init__(self, network: str, weights: str) -> None:
            self.scorer = TorchScorer(network, weights)

        @daft.method.batch(return_dtype=daft.DataType.int64(), batch_size=BATCH_SIZE)
        def __call__(self, contents: daft.Series) -> list[int]:
            return self.scorer.labels(contents.to_pylist())

    predict = Predict(workload.network, workload.weights)
    photos = daft.from_glob_path(f"{workload.photos}/*")
    content = daft.functions.download(daft.col("path"))
    photos.select("path", predict(content).alias("label")).write_parquet(workload.output)
