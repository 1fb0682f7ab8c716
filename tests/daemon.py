"""The process that forks the Python workers of the tests' own Spark, with all imported that each of them would import.

Spark's own daemon imports nothing, for pandas and pyarrow start threads, which a fork does without: they are those of
memory allocators, and workers were never found to miss them. Where a test needs workers as a user's machine has them,
the daemon is Spark's: on clusters, in commands and on servers, but for those that are harmed in tests of faults.
"""

import gc
import os

from pyspark import daemon

# Spark has a daemon of its own for RDDs, whose functions need none of it.
if "SPARK_SIMPLIFIED_TRACEBACK" in os.environ:
    gc.disable()  # what is imported stays
    # What a wrapper imports to load its model and to answer, on a CPU.
    import mlflow.pyfunc  # noqa: F401
    import openvino  # noqa: F401
    import pandas as pd  # noqa: F401
    import PIL.Image  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    gc.enable()

if __name__ == "__main__":
    daemon.manager()
