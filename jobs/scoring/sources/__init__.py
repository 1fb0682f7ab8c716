"""Rows with photos, one kind of source a file: it says `READER`, and a line here names it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TypeVar

from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession

from ...errors import InputError, first_line
from ...spark import faults
from ..options import ScoreOptions
from . import images
from .left_out import in_words
from .local_files import Listing
from .source import IMAGES, Reader, Source

FILES = (
    "images",
    "tar",
    "table",
    "spark_format",  # the last, for it takes any format
)
READERS: tuple[Reader, ...] = tuple(import_module(f".{file}", __name__).READER for file in FILES)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Reading:
    """Rows to score and how; `left_out`: how many files the search passed by, for which reason."""

    rows: DataFrame
    options: ScoreOptions
    left_out: Mapping[str, int]


def read(spark: SparkSession, source: Source) -> DataFrame:
    """The rows of `source`; images have `path`, `modificationTime`, `length` and `content`.

    Raises InputError where there is nothing at the path, no such format, or no photo in the folder.
    """
    return _reading(source, lambda: _reader(source).rows(spark, source)).frame


def read_for(
    spark: SparkSession,
    source: Source,
    options: ScoreOptions,
    takes_paths: bool,
    say: Callable[[str], None] = lambda line: None,
) -> Reading:
    """The rows to score and how: with paths in place of bytes, wherever that gives the same predictions.

    `takes_paths`: whether the model's wrapper reads files by their paths. `say` gets a line on what the search left
    out, where it did. Raises as `read` does.
    """
    rows = _reading(source, lambda: _reader(source).rows(spark, source))
    if left_out := in_words(rows.left_out):
        say(f"left out in {source.path}: {left_out}")
    if rows.by_path is None or not by_path(options, takes_paths):
        return Reading(rows.frame, options, rows.left_out)
    return Reading(rows.by_path, replace(options, content_as="path"), rows.left_out)


def by_path(options: ScoreOptions, takes_paths: bool) -> bool:
    """Whether paths in place of bytes give the same predictions."""
    own_content = options.content_column != "content" or "content" in options.keep
    return takes_paths and not own_content and not options.content_as


def listing(spark: SparkSession, source: Source) -> Listing:
    """The photos of a source that workers can read themselves. Raises as `read` does."""
    return _reading(source, lambda: images.found(spark, source))


def folder(spark: SparkSession, source: Source) -> str | None:
    """The folder that the photos' column `path` begins with, as Spark writes it; None where there is none."""
    return _reader(source).folder(spark, source)


def _reader(source: Source) -> Reader:
    return next(reader for reader in READERS if reader.formats is None or source.format in reader.formats)


def _reading(source: Source, read: Callable[[], _T]) -> _T:
    try:
        return read()
    except InputError:
        raise
    except AnalysisException as error:
        raise InputError(_explain(source, error)) from error
    except PySparkException as error:
        if faults.is_away(error):
            raise
        raise _unreadable(source, error) from error
    except Exception as error:  # a format that is not installed comes as a plain Java exception
        raise _unreadable(source, error) from error


def _explain(source: Source, error: AnalysisException) -> str:
    condition = error.getCondition() or ""
    if condition == "PATH_NOT_FOUND":
        return f"There is nothing at {source.path!r}; name a folder, a glob or a file that exists."
    if condition == "TABLE_OR_VIEW_NOT_FOUND":
        return f"Spark knows no table {source.path!r}."
    return f"Spark cannot read {source.path!r} as {source.format!r}: {first_line(error)}"


def _unreadable(source: Source, error: Exception) -> InputError:
    return InputError(f"Spark cannot read {source.path!r} as {source.format!r}: {first_line(error)}")


__all__ = ["IMAGES", "Reading", "Source", "by_path", "folder", "listing", "read", "read_for"]
