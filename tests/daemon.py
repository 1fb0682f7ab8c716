"""The process that forks the Python workers of the tests' own Spark, with all imported that each of them would import.

Where a test needs a worker as a user's machine has it, Spark is another process's, and its daemon is Spark's own.
"""

import gc

# What a wrapper imports to load its model and to answer, on a CPU.
import mlflow.pyfunc  # noqa: F401
import openvino  # noqa: F401
import pandas as pd  # noqa: F401
import PIL.Image  # noqa: F401
import pyarrow.parquet  # noqa: F401
from pyspark import daemon

if __name__ == "__main__":
    gc.freeze()
    daemon.manager()
