"""The limit: the wrapper's own decoding and inference on the same cores, with no Spark around it."""

import os
import tempfile
from pathlib import Path

import mlflow.pyfunc
import pandas as pd

from registry import Registry

from ..workload import URI, Workload
from .files import batches, write_labels

# Large, so that the pipeline is seldom empty: the wrapper itself reads and holds a few batches at a time.
ROWS_PER_CALL = 8192


def run(workload: Workload) -> None:
    """Score and write."""
    files = workload.files()
    labels: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(workload.registry)
        path = registry.fetch(registry.resolve(URI), Path(folder))
        model = mlflow.pyfunc.load_model(str(path)).unwrap_python_model()
        params = {**workload.asked, "content_as": "path"}
        for chunk in batches(files, ROWS_PER_CALL):
            photos = pd.DataFrame({"content": [os.fsencode(file) for file in chunk]})
            labels += list(model.predict(None, photos, params)["label"])
    write_labels(workload, files, labels)
