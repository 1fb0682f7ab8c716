"""What travels to the executors with the model: decode, transform, infer, answer.

Nothing in here imports `registry`, `jobs` or pyspark, and files import one another relatively, because
`packaging` copies this folder into each model under a name that holds the digest of its content.
`pyfunc_models.packaging` is the driver's side and stays behind.
"""

from .photos import formats
from .photos.decode import decode
from .photos.status import RowFault, Status
from .transforms.preprocess import Preprocess, normalize, transform

PHOTO_SUFFIXES = formats.suffixes()
"""What files of the formats that are read end in, without the dot, in small letters."""

__all__ = ["PHOTO_SUFFIXES", "Preprocess", "RowFault", "Status", "decode", "normalize", "transform"]
