"""A plain MLflow PythonModel through `mlflow.pyfunc.spark_udf`.

Tuned: batches of 64 inside `predict` (most examples go row by row, or take the whole Arrow batch at once), one
task a core, since `spark_udf` loads the model once for each task, one torch thread a worker.
"""

from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from ..workload import Workload
from .spark_session import open_session, read
from .torch_scoring import TorchScorer


class PlainModel(mlflow.pyfunc.PythonModel):
    """`content` (binary) -> index of the best class."""

    def __init__(self, network: str) -> None:
        self.network = network

    def load_context(self, context: Any) -> None:
        """Load the weights."""
        self.scorer = TorchScorer(self.network, context.artifacts["weights"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.Series:
        """One label for each row."""
        return pd.Series(self.scorer.labels(list(model_input["content"])), dtype="int64")


def save(network: str, weights: Path, into: Path) -> None:
    """Write the MLflow model that `run` scores with."""
    mlflow.pyfunc.save_model(
        path=into,
        python_model=PlainModel(network),
        artifacts={"weights": str(weights)},
        signature=ModelSignature(
            inputs=Schema([ColSpec(DataType.binary, "content")]), outputs=Schema([ColSpec(DataType.long)])
        ),
        pip_requirements=["torch", "torchvision"],
    )


def run(workload: Workload) -> None:
    """Score and write."""
    spark = open_session(workload)
    predict = mlflow.pyfunc.spark_udf(spark, workload.pyfunc, result_type="long", env_manager="local")
    photos = read(spark, workload)
    photos.select("path", predict("content").alias("label")).write.parquet(workload.output)
    spark.stop()
