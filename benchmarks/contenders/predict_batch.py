"""`pyspark.ml.functions.predict_batch_udf`: Spark's own way, which caches the model in the worker.

Tuned: a batch of 64, one task a core, one torch thread a worker.
"""

from collections.abc import Callable

import numpy as np
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql.types import IntegerType

from ..workload import Workload
from .spark_session import open_session, read
from .torch_scoring import BATCH_SIZE, TorchScorer


def run(workload: Workload) -> None:
    """Score and write."""
    spark = open_session(workload)

    def make_predict() -> Callable[[np.ndarray], np.ndarray]:
        scorer = TorchScorer(workload.network, workload.weights)
        return lambda contents: np.array(scorer.labels(contents.ravel().tolist()), np.int32)

    predict = predict_batch_udf(make_predict, return_type=IntegerType(), batch_size=BATCH_SIZE)
    photos = read(spark, workload)
    photos.select("path", predict("content").alias("label")).write.parquet(workload.output)
    spark.stop()
