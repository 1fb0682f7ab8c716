"""Photos below an address of an object store, which Spark has no jars for: listed here, and fetched by workers."""

from collections import Counter
from collections.abc import Iterator

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pyfunc_models import PHOTO_SUFFIXES

from ...addresses.fault import NoPhoto
from ...addresses.places import STORES, Place, place
from ...addresses.stores import Stores
from ...errors import InputError
from ...spark import jvm
from ..object_stores import reached
from . import local_files
from .left_out import LeftOut, is_hidden, other_than
from .local_files import Listing
from .source import IMAGES, Source

_TIMEOUT_S = 60
_SUFFIXES = tuple(f".{suffix}" for suffix in PHOTO_SUFFIXES)


def is_stored(spark: SparkSession, source: Source) -> bool:
    """Whether a source is photos in an object store that Spark itself does not reach."""
    scheme, separator, _ = source.path.partition("://")
    known = source.format == IMAGES and separator and scheme.lower() in STORES
    return bool(known) and not jvm.reaches(spark, source.path)


def found(source: Source) -> Listing:
    """The photos below an address, whose `content` is where each is. Raises InputError where it cannot be listed."""
    left_out: Counter[str] = Counter()
    with reached(source.path, lambda error: f"cannot be listed ({type(error).__name__})"):
        try:
            return local_files.collected(_rows(place(source.path), left_out), left_out)
        except NoPhoto as fault:
            raise InputError(f"{source.path!r} is no folder of photos: {fault}.") from None


def root(source: Source) -> str:
    """What the addresses of all photos of a source begin with."""
    return place(source.path).name


def as_photos(listed: DataFrame) -> DataFrame:
    """A listing's rows with what workers fetch as `content`: struct<bytes, path>."""
    photo = F.struct(F.lit(None).cast("binary").alias("bytes"), F.col("content").cast("string").alias("path"))
    return listed.withColumn("content", photo)


def _rows(at: Place, left_out: Counter[str]) -> Iterator[tuple[str, int, int, bytes]]:
    folder = at.path.strip("/")
    for key, changed, size in Stores(_TIMEOUT_S).objects(at):
        parts = key[len(folder) :].strip("/").split("/")
        hidden = any(map(is_hidden, parts))
        why = LeftOut.HIDDEN if hidden else other_than(_SUFFIXES, key)
        if why is not None:
            left_out[why] += 1
            continue
        address = f"{at.scheme}://{at.host}/{key}"
        yield address, int(changed.timestamp() * 1000) * 1000, size, address.encode()
