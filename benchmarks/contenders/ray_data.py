"""Ray Data: `map_batches` on a pool of actors.

Tuned: one actor of one CPU and one torch thread for each core, batches of 64, no dashboard. Twice as many
logical CPUs as cores: with two, both belong to the actors, nothing is left to read with, and it never starts.
"""

from typing import Any

import ray
import ray.data

from ..workload import Workload
from .torch_scoring import BATCH_SIZE, TorchScorer


class Predict:
    """`bytes` and `path` -> `path` and `label`."""

    def __init__(self, network: str, weights: str) -> None:
        self.scorer = TorchScorer(network, weights)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"path": batch["path"], "label": self.scorer.labels(list(batch["bytes"]))}


def run(workload: Workload) -> None:
    """Score and write."""
    ray.init(num_cpus=2 * workload.cores, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    photos = ray.data.read_binary_files(workload.photos, include_paths=True)
    labelled = photos.map_batches(
        Predict,
        fn_constructor_args=(workload.network, workload.weights),
        batch_size=BATCH_SIZE,
        compute=ray.data.ActorPoolStrategy(size=workload.cores),
        num_cpus=1,
    )
    labelled.write_parquet(workload.output)
    ray.shutdown()
