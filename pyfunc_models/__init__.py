"""What travels to the executors with the model: decode, transform, infer, answer.

Nothing in here imports `registry`, `jobs` or pyspark, and files import one another relatively, because
`packaging` copies this folder into each model under a name that holds the digest of its content.
`pyfunc_models.packaging` is the driver's side and stays behind.
"""

from .decode import RowFault, Status, decode
from .preprocess import Preprocess, normalize, transform

__all__ = ["Preprocess", "RowFault", "Status", "decode", "normalize", "transform"]
