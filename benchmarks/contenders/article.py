"""The code of the well-known articles on torch inference with Spark: broadcast, Dataset, DataLoader, pandas UDF.

Tuned: a batch of 64; one task a core, so that each core loads the model once (the articles repartition for it);
one torch thread a worker, by Spark itself. Left as the articles have it: the transform chain, the eager model,
a DataLoader without processes of its own, for which two cores have no room.
"""

import io
from collections.abc import Iterator

import pandas as pd
import torch
from PIL import Image
from pyspark.sql.functions import pandas_udf
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import Compose

from ..networks import NETWORKS
from ..workload import Workload
from .spark_session import open_session, read

BATCH_SIZE = 64


class PhotoDataset(Dataset[torch.Tensor]):
    """The binary column of one Arrow batch."""

    def __init__(self, contents: pd.Series, transform: Compose) -> None:
        self.contents = contents
        self.transform = transform

    def __len__(self) -> int:
        return len(self.contents)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(Image.open(io.BytesIO(self.contents.iloc[index])).convert("RGB"))


def run(workload: Workload) -> None:
    """Score and write."""
    spark = open_session(workload)
    network = NETWORKS[workload.network]
    state = spark.sparkContext.broadcast(torch.load(workload.weights, weights_only=True))

    @pandas_udf("int")
    def predict(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        model = network.module()
        model.load_state_dict(state.value)
        model.eval()
        transform = network.chain()
        with torch.no_grad():
            for contents in batches:
                labels: list[int] = []
                for images in DataLoader(PhotoDataset(contents, transform), batch_size=BATCH_SIZE):
                    labels += model(images).argmax(dim=1).tolist()
                yield pd.Series(labels)

    photos = read(spark, workload)
    photos.select("path", predict("content").alias("label")).write.parquet(workload.output)
    spark.stop()
