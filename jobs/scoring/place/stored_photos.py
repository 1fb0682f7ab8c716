"""Photos in an object store that workers fetch: a chunk is a run of them in the listing, and one task."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession

from ..sources import stored
from ..sources.local_files import Listing
from .parts import Open
from .photos import Photos
from .stores import Store


class StoredPhotos(Photos):
    """Of one listing; `root`: the address that all photos lie below, and nothing else is fetched."""

    def __init__(self, spark: SparkSession, listing: Listing, root: str) -> None:
        super().__init__(spark, listing, by_path=True, root=None)
        self.content_as = None
        self.roots = (root,)

    def like(self) -> DataFrame:
        return stored.as_photos(super().like())

    def frame(self, store: Store, plans: Sequence[Open], done: frozenset[str]) -> DataFrame:
        return stored.as_photos(super().frame(store, plans, done))
