"""The rows of a job that chunks are made of: as the input has them, and as they will be written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from ..addresses.fetching import fetching
from ..errors import InputError
from ..spark import jvm, local_reading
from ..spark.archives import FAULT
from . import columns, sources
from .job import ScoreJob
from .options import ScoreOptions
from .place import work
from .place.answering import CONTENT, Asked, answering
from .place.parts import Parts
from .place.photos import Photos
from .place.plan import all_of
from .place.shards import Shards
from .place.stored_photos import StoredPhotos
from .place.stores import Folder, Store
from .place.tables import Tables
from .place.work import Unscored
from .place.writer import BAD_CONTENT, CHUNK
from .sources import images, stored, tar
from .sources.left_out import in_words
from .udf import Subject, check_columns, given, identity, predictions, takes_paths, udf_of

Say = Callable[[str], None]


def parts_of(spark: SparkSession, job: ScoreJob, subject: Subject, store: Store, say: Say) -> Parts | None:
    """The input, if it can be cut into chunks that stay the same. Raises InputError as `sources.read` does."""
    if stored.is_stored(spark, job.source):
        listing = stored.found(job.source)
        _say_left_out(job, listing.left_out, say)
        if not listing.files:
            raise images.nothing_found(job.source, listing)
        return StoredPhotos(spark, listing, stored.root(job.source))
    if job.source.format == sources.IMAGES:
        if not images.is_local(spark, job.source):
            return None
        listing = sources.listing(spark, job.source)
        _say_left_out(job, listing.left_out, say)
        by_path = sources.by_path(job.options, takes_paths(subject.model))
        return Photos(spark, listing, by_path, images.inside(spark, job.source))
    if job.source.format == tar.FORMAT:
        shards = tar.found(spark, job.source)
        _say_left_out(job, shards.left_out, say)
        return Shards(spark, shards, images.inside(spark, job.source))
    frame = sources.read(spark, job.source)
    check_columns(frame, subject, job.options)
    if not jvm.has_files(frame):
        return None
    addresses = job.options.path_column
    by = None if addresses is None else columns.the(frame, addresses)
    tables = Tables(frame, all_of(store), by)
    if isinstance(store, Folder) and tables.lie_in(Path(store.root).resolve()):
        raise InputError(
            f"The output {job.sink.path!r} lies in the input {job.source.path!r}, which would read it the next time. "
            "Name an output elsewhere."
        )
    return tables


def _say_left_out(job: ScoreJob, left_out: Mapping[str, int], say: Say) -> None:
    if said := in_words(left_out):
        say(f"left out in {job.source.path}: {said}")


def check_names(job: ScoreJob) -> None:
    """Raises InputError on a column that chunks have a use for."""
    for name in job.options.keep:
        if name in (CHUNK, CONTENT, BAD_CONTENT, FAULT):
            raise InputError(f"Column {name!r} cannot be kept: jobs use that name. Rename it first.")


@dataclass(frozen=True, slots=True)
class Input:
    """What is scored, in `parts`, and the `schema` of what becomes of it."""

    parts: Parts
    schema: StructType

    @classmethod
    def of(cls, parts: Parts, subject: Subject, options: ScoreOptions) -> "Input":
        """Raises InputError where predictions cannot be made, or cannot be kept in Parquet files."""
        schema = predictions(parts.like(), subject, _reading(parts, options)).schema
        work.check_types(schema)
        return cls(parts, schema)

    def unscored(self, job: ScoreJob, subject: Subject, rows: DataFrame) -> Unscored:
        """What Spark is to do with `rows`, which are of the parts and have CHUNK."""
        options = _reading(self.parts, job.options)
        unpack = self.parts.unpacking(options.keep)
        fetched = subject.signature is None and columns.are_fetched(self.parts.like(), options)
        asked = Asked(
            to_arrow_schema(self.schema, timezone="UTC"),
            {**identity(subject.version, options.run_id or ""), "scored_at": datetime.now(UTC)},
            _bad_content(options) if job.quarantine_bytes else None,
            fetching(options.fetching) if fetched else None,
        )
        answered = answering(udf_of(rows.sparkSession, subject, options).answer, asked)
        if unpack is not None:
            return Unscored(rows, lambda shards: answered(unpack(shards)), self.schema)
        content = given(rows, subject, options).alias(CONTENT)
        kept = columns.kept(rows, options.keep)
        return Unscored(rows.select(*kept, content, CHUNK), answered, self.schema)


def _reading(parts: Parts, options: ScoreOptions) -> ScoreOptions:
    roots = parts.roots or options.path_roots
    return replace(options, content_as=options.content_as or parts.content_as, path_roots=roots)


def _bad_content(options: ScoreOptions) -> Callable[[bytes | None], bytes | None]:
    return local_reading.content() if options.content_as == "path" else lambda content: content
